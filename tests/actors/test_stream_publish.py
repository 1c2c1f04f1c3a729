import pytest

from clankvox.ids import Role
from clankvox.wire.gateway_ops import Op
from tests.actors.test_stream import connect
from tests.support.factory import Call, short

ROLE = Role.STREAM_PUBLISH


def handshake(**session):
    """A publishing connection up to its session description, which is the server's."""
    call = Call()
    connect(call, "stream_publish")
    server = call.roles[ROLE].server
    server.before_session()
    description = {"mode": server.mode(), "secret_key": list(range(32)), "dave_protocol_version": 0}
    server.text(Op.SESSION_DESCRIPTION, description | session)
    call.drain()
    return call


def test_a_publisher_offers_only_what_it_sends():
    sent = dict(handshake().roles[ROLE].server.json_sent())
    codecs = {codec["name"]: (codec.get("encode"), codec.get("decode")) for codec in sent[Op.SELECT_PROTOCOL]["codecs"]}
    assert codecs["H264"] == (True, False)
    assert "VP8" not in codecs


@pytest.mark.parametrize("codec", [None, "H264", "h264"])
def test_a_codec_that_we_offered_is_fine(codec):
    assert handshake(video_codec=codec).state("stream_publish connection") == "ready"


def test_a_codec_that_we_did_not_offer_ends_the_connection():
    call = handshake(video_codec="AV1")
    assert short(call.events())[-1] == "transport_state stream_publish disconnected unsupported_video_codec"
    assert call.state("stream_publish connection") == "closed"
    assert call.roles[ROLE].web_socket.closed_with == [1000]


@pytest.mark.parametrize(
    ("streams", "expected"),
    [
        ([], (1001, 1002)),
        ([{"type": "video", "ssrc": 55, "rtx_ssrc": 77, "rid": "100"}], (55, 77)),
        ([{"type": "video", "ssrc": 55, "rid": "100"}], (55, 56)),
    ],
)
def test_the_servers_ssrcs_are_used_and_what_it_leaves_out_follows_by_one(streams, expected):
    call = Call()
    connect(call, "stream_publish")
    call.roles[ROLE].server.streams = streams
    call.roles[ROLE].server.handshake(0)
    call.line(type="stream_publish_play", url="https://example.com/v")
    call.drain()
    video = [data for op, data in call.roles[ROLE].server.json_sent() if op == Op.VIDEO][-1]
    assert (video["video_ssrc"], video["rtx_ssrc"]) == expected
