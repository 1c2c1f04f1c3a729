import pytest

from clankvox.ids import Role
from clankvox.protocol.session_offer import CODECS, SessionCredentials, identify, resume, select_protocol
from clankvox.wire.gateway_ops import Op, Ready, decode_json, encode_json
from clankvox.wire.transport_crypto import TransportMode

WHO = SessionCredentials(11, 22, 33, "the-session", "the-token")
READY = Ready(ssrc=1, ip="10.0.0.1", port=2, modes=("x",), experiments=("fixed_keyframe_interval",))


def _wire(op, payload):
    return decode_json(encode_json(op, payload)).data


def test_identify_has_all_fields_of_version_9():
    assert _wire(Op.IDENTIFY, identify(WHO)) == {
        "server_id": "11",
        "channel_id": "22",
        "user_id": "33",
        "session_id": "the-session",
        "token": "the-token",
        "video": True,
        "streams": [{"type": "screen", "rid": "100", "quality": 100}],
        "max_dave_protocol_version": 1,
    }


def test_resume_has_all_fields_of_version_9():
    assert _wire(Op.RESUME, resume(WHO, 17)) == {
        "server_id": "11",
        "channel_id": "22",
        "session_id": "the-session",
        "token": "the-token",
        "seq_ack": 17,
    }


def test_select_protocol_names_address_mode_and_echoes_experiments():
    data = _wire(Op.SELECT_PROTOCOL, select_protocol(Role.VOICE, TransportMode.XCHACHA20, READY, "203.0.113.9", 5000))
    assert data["protocol"] == "udp"
    assert data["data"] == {"address": "203.0.113.9", "port": 5000, "mode": "aead_xchacha20_poly1305_rtpsize"}
    assert data["experiments"] == ["fixed_keyframe_interval"]
    assert [codec["name"] for codec in data["codecs"]] == ["opus", "H264", "VP8"]


@pytest.mark.parametrize(
    ("role", "video"),
    [
        (Role.VOICE, [("H264", 105, 106, False, True), ("VP8", 107, 108, False, True)]),
        (Role.STREAM_WATCH, [("H264", 105, 106, False, True), ("VP8", 107, 108, False, True)]),
        (Role.STREAM_PUBLISH, [("H264", 105, 106, True, False)]),
    ],
)
def test_each_role_declares_what_it_sends_or_receives(role, video):
    opus, *codecs = CODECS[role]
    assert (opus.name, opus.type, opus.payload_type, opus.priority) == ("opus", "audio", 120, 1000)
    assert [(c.name, c.payload_type, c.rtx_payload_type, c.encode, c.decode) for c in codecs] == video


@pytest.mark.parametrize("role", Role)
def test_priorities_are_unique_multiples_of_1000_and_payload_type_96_stays_free(role):
    video = [codec.priority for codec in CODECS[role] if codec.type == "video"]
    assert video == [1000 * (place + 1) for place in range(len(video))]
    types = [t for codec in CODECS[role] for t in (codec.payload_type, codec.rtx_payload_type) if t is not None]
    assert len(types) == len(set(types))
    assert 96 not in types


def test_credentials_never_show_their_secrets():
    shown = f"{WHO!r} {WHO} {identify(WHO)!r} {resume(WHO, 1)!r}"
    assert "the-session" not in shown
    assert "the-token" not in shown
