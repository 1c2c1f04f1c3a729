import pytest

from clankvox.loopback.codec_table import CodecTable, Format
from clankvox.wire.gateway_ops import Codec


def codec(name, payload_type, rtx=None, priority=1000, **more):
    kind = "audio" if name == "opus" else "video"
    return Codec(name=name, type=kind, priority=priority, payload_type=payload_type, rtx_payload_type=rtx, **more)


TABLE = CodecTable([codec("VP8", 105, 106, 2000), codec("H264", 101, 102), codec("opus", 120)])


def test_payload_types_are_those_of_this_client():
    assert TABLE.format(101) == Format("H264", repair=False)
    assert TABLE.format(106) == Format("VP8", repair=True)
    assert TABLE.format(103) is None
    assert TABLE.payload_type(Format("VP8", repair=False)) == 105
    assert TABLE.payload_type(Format("H265", repair=False)) is None
    assert TABLE.sent_as(Format("H264", repair=True), 0) == 102
    assert TABLE.sent_as(Format("AV1", repair=True), 7) == 7


def test_what_a_client_cannot_decode_it_does_not_get():
    table = CodecTable([codec("H264", 101, 102, decode=False, encode=True)])
    assert table.payload_type(Format("H264", repair=False)) is None
    assert table.sent_as(Format("H264", repair=False), 0) == 101


@pytest.mark.parametrize("payload_type", [64, 95, 96, 128, 255])
def test_payload_types_that_mean_something_else_are_left_out(payload_type):
    assert CodecTable([codec("H264", payload_type)]).format(payload_type) is None


def test_a_client_sends_the_first_video_codec_that_it_can_encode():
    assert TABLE.preferred_video() == "H264"
    assert CodecTable([codec("H264", 101, encode=False), codec("VP8", 103, priority=2000)]).preferred_video() == "VP8"
    assert CodecTable().preferred_video() == "H264"
    assert CodecTable().empty
