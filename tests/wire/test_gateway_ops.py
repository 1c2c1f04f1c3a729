import json
from contextlib import suppress

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clankvox.errors import WireError
from clankvox.wire import gateway_ops as gw
from clankvox.wire.gateway_ops import Op

KEY = list(range(32))
STREAM = {
    "type": "video",
    "rid": "100",
    "ssrc": 12,
    "rtx_ssrc": 13,
    "active": True,
    "quality": 100,
    "max_bitrate": 2_500_000,
    "max_framerate": 30,
    "max_resolution": {"type": "fixed", "width": 1280, "height": 720},
}
H264 = {
    "name": "H264",
    "type": "video",
    "priority": 1000,
    "payload_type": 105,
    "rtx_payload_type": 106,
    "encode": True,
    "decode": True,
}
CREDENTIALS = {"server_id": "1", "channel_id": "2", "session_id": "s", "token": "t"}

ON_THE_WIRE = [
    (Op.IDENTIFY, gw.Identify, CREDENTIALS | {
        "user_id": "3", "video": True, "streams": [STREAM], "max_dave_protocol_version": 1,
    }),
    (Op.SELECT_PROTOCOL, gw.SelectProtocol, {
        "protocol": "udp", "data": {"address": "203.0.113.9", "port": 5, "mode": "m"}, "codecs": [H264],
        "rtc_connection_id": "u", "experiments": ["e"],
    }),
    (Op.READY, gw.Ready, {
        "ssrc": 11, "ip": "203.0.113.1", "port": 5, "modes": ["m"], "experiments": [], "streams": [STREAM],
    }),
    (Op.HEARTBEAT, gw.Heartbeat, {"t": 1_700_000_000_000, "seq_ack": -1}),
    (Op.SESSION_DESCRIPTION, gw.SessionDescription, {
        "mode": "m", "secret_key": KEY, "dave_protocol_version": 0, "audio_codec": "opus", "video_codec": "H264",
        "media_session_id": "x", "keyframe_interval": 0,
    }),
    (Op.SPEAKING, gw.Speaking, {"speaking": 0, "ssrc": 11, "delay": 0}),
    (Op.SPEAKING, gw.Speaking, {"speaking": 1, "ssrc": 11, "user_id": "3"}),
    (Op.HEARTBEAT_ACK, gw.HeartbeatAck, {"t": 0}),
    (Op.RESUME, gw.Resume, CREDENTIALS | {"seq_ack": 7}),
    (Op.HELLO, gw.Hello, {"v": 8, "heartbeat_interval": 41250.0}),
    (Op.RESUMED, gw.Resumed, None),
    (Op.CLIENTS_CONNECT, gw.ClientsConnect, {"user_ids": ["3", "4"]}),
    (Op.VIDEO, gw.Video, {"audio_ssrc": 11, "video_ssrc": 12, "rtx_ssrc": 13, "streams": [STREAM]}),
    (Op.VIDEO, gw.Video, {"audio_ssrc": 11, "video_ssrc": 0, "rtx_ssrc": 0, "streams": []}),
    (Op.VIDEO, gw.Video, {"audio_ssrc": 11, "video_ssrc": 12, "user_id": "3"}),
    (Op.CLIENT_DISCONNECT, gw.ClientDisconnect, {"user_id": "3"}),
    (Op.SESSION_UPDATE, gw.SessionUpdate, {"codecs": [H264]}),
    (Op.SESSION_UPDATE, gw.SessionUpdate, {"video_codec": "VP8", "keyframe_interval": 2000}),
    (Op.MEDIA_SINK_WANTS, gw.MediaSinkWants, {"any": 0, "12": 100, "pixelCounts": {"12": 921600.0}}),
    (Op.MEDIA_SINK_WANTS, gw.MediaSinkWants, {}),
    (Op.BACKEND_VERSION, gw.BackendVersion, {}),
    (Op.BACKEND_VERSION, gw.BackendVersion, {"voice": "0.9.1", "rtc_worker": "0.3.2"}),
    (Op.FLAGS, gw.Flags, {"user_id": "3", "flags": None}),
    (Op.PLATFORM, gw.Platform, {"user_id": "3", "platform": 1}),
    (Op.PREPARE_TRANSITION, gw.PrepareTransition, {"transition_id": 0, "protocol_version": 1}),
    (Op.EXECUTE_TRANSITION, gw.ExecuteTransition, {"transition_id": 65535}),
    (Op.TRANSITION_READY, gw.TransitionReady, {"transition_id": 1}),
    (Op.PREPARE_EPOCH, gw.PrepareEpoch, {"epoch": 1, "protocol_version": 1}),
    (Op.INVALID_COMMIT_WELCOME, gw.InvalidCommitWelcome, {"transition_id": 1}),
]  # fmt: skip

TYPES = sorted({wanted for _, wanted, _ in ON_THE_WIRE}, key=lambda wanted: wanted.__name__)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=10,
)


def values_of(kind):
    """Strategy for all values that a payload's type, as msgspec describes it, allows."""
    match kind:
        case msgspec.inspect.StructType():
            return st.builds(kind.cls, **{field.name: values_of(field.type) for field in kind.fields})
        case msgspec.inspect.UnionType():
            return st.one_of(map(values_of, kind.types))
        case msgspec.inspect.VarTupleType():
            return st.lists(
                values_of(kind.item_type), min_size=kind.min_length or 0, max_size=kind.max_length or 3
            ).map(tuple)
        case msgspec.inspect.DictType():
            return st.dictionaries(values_of(kind.key_type), values_of(kind.value_type), max_size=3)
        case msgspec.inspect.IntType():
            return st.integers(-(2**53) if kind.ge is None else kind.ge, 2**53 if kind.le is None else kind.le)
        case msgspec.inspect.FloatType():
            return st.floats(kind.ge, kind.le, allow_nan=False, allow_infinity=False)
    return {
        msgspec.inspect.StrType: st.text(max_size=8),
        msgspec.inspect.BoolType: st.booleans(),
        msgspec.inspect.NoneType: st.none(),
    }[type(kind)]


def message(op, d):
    return gw.decode_json(json.dumps({"op": op, "d": d}))


@pytest.mark.parametrize(("op", "wanted", "d"), ON_THE_WIRE)
def test_every_payload_reads_and_writes_the_documented_fields(op, wanted, d):
    payload = gw.payload_of(message(op, d), wanted)
    assert json.loads(gw.encode_json(op, payload)) == {"op": op, "d": d}
    assert gw.payload_of(gw.decode_json(gw.encode_json(op, payload, seq=3)), wanted) == payload


@pytest.mark.parametrize("wanted", TYPES, ids=lambda wanted: wanted.__name__)
def test_every_payload_survives_the_round_trip_whatever_its_values(wanted):
    @settings(max_examples=20)
    @given(values_of(msgspec.inspect.type_info(wanted)))
    def round_trip(payload):
        assert gw.payload_of(gw.decode_json(gw.encode_json(0, payload)), wanted) == payload

    round_trip()


def test_the_number_of_a_message_is_read_and_absent_ones_are_none():
    assert gw.decode_json('{"op":5,"d":null,"seq":12}') == gw.GatewayMessage(5, None, 12)
    assert gw.decode_json('{"op":5,"d":1}') == gw.GatewayMessage(5, 1, None)
    assert gw.decode_json(b'{"op":9}') == gw.GatewayMessage(9, None, None)


def test_d_is_written_even_if_null_and_seq_only_if_given():
    assert gw.encode_json(Op.RESUMED, None) == '{"op":9,"d":null}'
    assert gw.encode_json(Op.BACKEND_VERSION, gw.BackendVersion(), seq=0) == '{"op":16,"d":{},"seq":0}'


def test_unknown_opcodes_and_fields_are_no_error():
    assert gw.decode_json('{"op":99,"d":{},"s":1,"extra":[]}').op == 99
    assert gw.payload_of(message(6, {"t": 1, "extra": {"deep": []}}), gw.HeartbeatAck) == gw.HeartbeatAck(t=1)


def test_an_integral_heartbeat_interval_and_a_string_epoch_are_read_as_numbers():
    assert gw.payload_of(message(8, {"heartbeat_interval": 41250}), gw.Hello).heartbeat_interval == 41250.0
    epoch = gw.payload_of(message(24, {"epoch": "12", "protocol_version": 1}), gw.PrepareEpoch)
    assert epoch == gw.PrepareEpoch(epoch=12, protocol_version=1)


def test_media_sink_wants_are_read_flat_and_nested():
    nested = {"any": 50, "streams": {"12": 100, "14": 0}, "pixelCounts": {"12": 5}}
    wants = gw.payload_of(message(15, nested), gw.MediaSinkWants)
    assert wants == gw.MediaSinkWants(any=50, wants={12: 100, 14: 0}, pixel_counts={12: 5})
    assert json.loads(gw.encode_json(15, wants))["d"] == {"any": 50, "12": 100, "14": 0, "pixelCounts": {"12": 5}}


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[]", "null", "5", '"x"', "{}", '{"op":null}', '{"op":"5"}', '{"op":-1}', '{"op":1.5}', '{"op":true}',
        '{"op":1,"seq":-1}', '{"op":1,"seq":"1"}', '{"op":1,"seq":4294967296}', '{"op":1,"d":NaN}',
        '{"op":1,"d":1e999}',
        '{"op":1} x', '{"op":1,"d":"\\ud800"}', '{"op":1,"d":"\ud800"}', b"\xff\xfe", b'{"op":1,"d":"\xff"}',
        '{"op":1,"d":' + "9" * 5000 + "}",
        "[" * 200_000, '{"op":1,"d":' + "[" * 200_000, '{"op":1,"d":' + '{"a":' * 200_000,
        '{"op":1,"d":' + "[" * 200_000 + "]" * 200_000 + "}",
    ],
    ids=lambda text: str(text[:30]),
)  # fmt: skip
def test_malformed_json_and_depth_bombs_are_refused(text):
    with pytest.raises(WireError):
        gw.decode_json(text)


@pytest.mark.parametrize(
    ("wanted", "d"),
    [
        (gw.Hello, {"heartbeat_interval": "1"}),
        (gw.Hello, {"heartbeat_interval": 0}),
        (gw.Hello, []),
        (gw.Ready, {"ssrc": -1, "ip": "x", "port": 1, "modes": []}),
        (gw.Ready, {"ssrc": 1, "ip": "x", "port": 65536, "modes": []}),
        (gw.Ready, {"ssrc": 1, "ip": "x", "port": 1, "modes": [5]}),
        (gw.SessionDescription, {"mode": "m", "secret_key": KEY[1:]}),
        (gw.SessionDescription, {"mode": "m", "secret_key": [*KEY[1:], 256]}),
        (gw.SessionDescription, {"mode": "m", "secret_key": [*KEY[1:], True]}),
        (gw.SessionDescription, None),
        (gw.HeartbeatAck, {"t": 2**63}),
        (gw.HeartbeatAck, {"t": "1"}),
        (gw.Speaking, {"speaking": 1, "ssrc": "5"}),
        (gw.Speaking, {"speaking": 1, "ssrc": 2**32}),
        (gw.ClientsConnect, {"user_ids": [1]}),
        (gw.ClientsConnect, {"user_ids": "1"}),
        (gw.PrepareTransition, {"transition_id": 65536, "protocol_version": 1}),
        (gw.PrepareTransition, {"transition_id": "1", "protocol_version": 1}),
        (gw.PrepareEpoch, {"epoch": "one", "protocol_version": 1}),
        (gw.PrepareEpoch, {"epoch": -1, "protocol_version": 1}),
        (gw.MediaSinkWants, {"12": 101}),
        (gw.MediaSinkWants, {"12": None}),
        (gw.MediaSinkWants, {"²": 1}),
        (gw.MediaSinkWants, {"4294967296": 1}),
        (gw.MediaSinkWants, {"pixelCounts": [1]}),
        (gw.MediaSinkWants, [1]),
    ],
)
def test_wrong_types_and_ranges_are_refused(wanted, d):
    with pytest.raises(WireError):
        gw.payload_of(message(0, d), wanted)


def test_what_a_server_may_leave_out_and_writes_in_another_form_is_left_out():
    layers = [{"ssrc": 5, "quality": 99.5, "max_resolution": {"width": 1}, "rid": "100"}, "x", {"ssrc": "y"}]
    d = {"ssrc": 1, "ip": "x", "port": 1, "modes": ["m"], "experiments": [{"name": "n"}], "streams": layers}
    with pytest.raises(WireError):
        gw.payload_of(message(2, d), gw.Ready)
    expected = gw.Ready(
        ssrc=1,
        ip="x",
        port=1,
        modes=("m",),
        streams=(gw.StreamDescription(ssrc=5, rid="100"), gw.StreamDescription()),
    )
    assert gw.payload_of_server(message(2, d), gw.Ready) == expected
    assert gw.payload_of_server(message(2, d | {"streams": 7}), gw.Ready).streams is None


@pytest.mark.parametrize("required", ["ssrc", "ip", "port", "modes"])
def test_what_a_server_may_not_leave_out_has_to_read_all_the_same(required):
    d = {"ssrc": 1, "ip": "x", "port": 1, "modes": ["m"]}
    assert gw.payload_of_server(message(2, d), gw.Ready) == gw.payload_of(message(2, d), gw.Ready)
    for broken in (d | {required: {}}, {name: value for name, value in d.items() if name != required}, [], None):
        with pytest.raises(WireError):
            gw.payload_of_server(message(2, broken), gw.Ready)


@pytest.mark.parametrize("read", [gw.payload_of, gw.payload_of_server])
@given(data=st.data(), wanted=st.sampled_from(TYPES))
def test_any_json_as_any_payload_raises_nothing_but_wire_error(read, data, wanted):
    of_its_fields = st.fixed_dictionaries({}, optional=dict.fromkeys(wanted.__struct_fields__, JSON))
    with suppress(WireError):
        read(message(0, data.draw(JSON | of_its_fields)), wanted)


@given(st.binary(max_size=200) | st.text(max_size=200))
def test_random_frames_raise_nothing_but_wire_error(frame):
    with suppress(WireError):
        gw.decode_json(frame)
    if isinstance(frame, bytes):
        with suppress(WireError):
            gw.decode_server_binary(frame)
        with suppress(WireError):
            gw.decode_client_binary(frame)


def test_an_error_names_the_field_and_not_its_value():
    secret = {"mode": "m", "secret_key": [*KEY[1:], 9_917_177]}
    with pytest.raises(WireError) as caught:
        gw.payload_of(message(4, secret), gw.SessionDescription)
    assert "secret_key" in str(caught.value)
    assert "9917177" not in str(caught.value)


def test_messages_do_not_show_what_they_carry():
    carried = gw.decode_json('{"op":4,"d":{"secret_key":[177]},"seq":5}')
    assert repr(carried) == "GatewayMessage(op=4, data=<dict>, seq=5)"
    assert str(carried) == repr(carried)
    assert repr(gw.BinaryMessage(5, 27, b"hush")) == "BinaryMessage(seq=5, op=27, payload=<4 bytes>)"


@given(st.integers(0, 0xFFFF), st.integers(0, 0xFF), st.binary(max_size=50))
def test_binary_frames_return_what_was_written(seq, op, payload):
    assert gw.decode_server_binary(gw.encode_server_binary(seq, op, payload)) == (seq, op, payload)
    assert gw.decode_client_binary(gw.encode_client_binary(op, payload)) == (op, payload)


def test_binary_frames_are_the_documented_bytes_and_numbers_wrap():
    assert gw.encode_server_binary(0x1_0002, Op.MLS_WELCOME, b"w") == b"\x00\x02\x1ew"
    assert gw.encode_client_binary(Op.MLS_KEY_PACKAGE, b"k") == b"\x1ak"


@pytest.mark.parametrize("frame", [b"", b"\x00", b"\x00\x01"])
def test_a_binary_frame_without_number_and_opcode_is_refused(frame):
    with pytest.raises(WireError):
        gw.decode_server_binary(frame)


def test_an_empty_client_frame_is_refused():
    with pytest.raises(WireError):
        gw.decode_client_binary(b"")
