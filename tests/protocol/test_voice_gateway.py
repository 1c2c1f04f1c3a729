import json
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clankvox.ids import Role
from clankvox.protocol.close_codes import Recovery
from clankvox.protocol.gateway_effects import (
    CloseSocket,
    DaveMessage,
    Discover,
    MemberDisconnected,
    MembersConnected,
    SendBinary,
    SendText,
    SessionReady,
    SessionResumed,
    SessionUpdated,
    SpeakingAnnounced,
    VideoAnnounced,
    WantsAnnounced,
)
from clankvox.protocol.session_offer import SessionCredentials
from clankvox.protocol.voice_gateway import EARLY_BYTES, EARLY_MESSAGES, Ignored, Phase, VoiceGateway
from clankvox.wire.gateway_ops import ExecuteTransition, Op, PrepareEpoch, PrepareTransition, encode_server_binary
from clankvox.wire.transport_crypto import TransportMode, available_modes

WHO = SessionCredentials(11, 22, 33, "the-session", "the-token")
MODES = [mode.value for mode in TransportMode]
MODE = available_modes()[0]
KEY = list(range(32))
READY = {
    "ssrc": 1000,
    "ip": "10.1.2.3",
    "port": 50_004,
    "modes": ["xsalsa20_poly1305", *MODES],
    "experiments": ["fixed_keyframe_interval"],
    "streams": [{"type": "video", "ssrc": 1001, "rtx_ssrc": 1002, "rid": "100", "quality": 100, "active": False}],
}
SESSION = {
    "mode": MODE.value,
    "secret_key": KEY,
    "audio_codec": "opus",
    "video_codec": "H264",
    "media_session_id": "m",
    "dave_protocol_version": 1,
}


def text(op, data=None, seq=None):
    return json.dumps({"op": op, "d": data} | ({} if seq is None else {"seq": seq}))


def sent(effects):
    """The one text frame among the effects, as (op, d)."""
    (effect,) = effects
    message = json.loads(effect.text)
    return message["op"], message["d"]


def gateway_in(phase, role=Role.VOICE, modes=tuple(TransportMode), interval_ms=10_000.0):
    """A gateway whose socket opened at 0 and that was taken to `phase` at once."""
    if phase is Phase.RESUMING:
        resuming = gateway_in(Phase.READY, role, modes, interval_ms)
        resuming.begin_resume()
        return resuming
    gateway = VoiceGateway(WHO, role, modes)
    steps = {
        Phase.GREETING: lambda: gateway.opened(0.0),
        Phase.IDENTIFYING: lambda: gateway.feed_text(text(8, {"v": 9, "heartbeat_interval": interval_ms}), 0.0),
        Phase.DISCOVERING: lambda: gateway.feed_text(text(2, READY, 1), 0.0),
        Phase.SELECTING: lambda: gateway.discovered("203.0.113.9", 40_000, 0.0),
        Phase.READY: lambda: gateway.feed_text(text(4, SESSION, 2), 0.0),
    }
    for reached, step in steps.items():
        if gateway.phase is phase:
            break
        step()
        assert gateway.phase is reached
    return gateway


# --- the handshake ---


def test_a_whole_handshake():
    gateway = VoiceGateway(WHO, Role.VOICE)
    assert (gateway.phase, gateway.next_poll(), gateway.opened(1.0)) == (Phase.OPENING, None, [])

    op, identify = sent(gateway.feed_text(text(8, {"v": 9, "heartbeat_interval": 41_250.0}), 1.1))
    assert op == Op.IDENTIFY
    assert (identify["server_id"], identify["channel_id"], identify["user_id"]) == ("11", "22", "33")
    assert (identify["session_id"], identify["token"]) == ("the-session", "the-token")
    assert identify["max_dave_protocol_version"] == 1
    assert gateway.next_poll() == pytest.approx(1.1 + 41.25)

    assert gateway.feed_text(text(2, READY), 1.2) == [Discover("10.1.2.3", 50_004, 1000)]

    op, select = sent(gateway.discovered("203.0.113.9", 40_000, 1.3))
    assert op == Op.SELECT_PROTOCOL
    assert select["data"] == {"address": "203.0.113.9", "port": 40_000, "mode": MODE.value}
    assert select["experiments"] == ["fixed_keyframe_interval"]
    assert not gateway.session_established

    (ready,) = gateway.feed_text(text(4, SESSION), 1.4)
    assert isinstance(ready, SessionReady)
    assert (ready.ssrc, ready.mode, ready.secret_key, ready.dave_version) == (1000, MODE, bytes(KEY), 1)
    assert (ready.ip, ready.port, ready.video_codec) == ("10.1.2.3", 50_004, "H264")
    assert [(stream.ssrc, stream.rtx_ssrc) for stream in ready.streams] == [(1001, 1002)]
    assert gateway.phase is Phase.READY
    assert gateway.session_established
    assert not gateway.ignored


def test_a_publisher_offers_only_what_it_sends():
    gateway = gateway_in(Phase.DISCOVERING, Role.STREAM_PUBLISH)
    _, select = sent(gateway.discovered("203.0.113.9", 1, 0.0))
    assert [(codec["name"], codec.get("encode")) for codec in select["codecs"]] == [("opus", None), ("H264", True)]


def test_hello_is_answered_even_if_it_overtakes_the_news_of_the_open_socket():
    gateway = VoiceGateway(WHO, Role.VOICE)
    assert sent(gateway.feed_text(text(8), 0.0))[0] == Op.IDENTIFY
    gateway.opened(0.0)
    assert gateway.phase is Phase.IDENTIFYING
    assert gateway.next_poll() == 13.75


def test_the_mode_is_chosen_among_those_that_are_left():
    gateway = gateway_in(Phase.DISCOVERING, modes=(TransportMode.XCHACHA20,))
    _, select = sent(gateway.discovered("203.0.113.9", 1, 0.0))
    assert select["data"]["mode"] == TransportMode.XCHACHA20.value


def test_without_a_common_mode_the_call_is_over():
    gateway = gateway_in(Phase.IDENTIFYING)
    (close,) = gateway.feed_text(text(2, READY | {"modes": ["xsalsa20_poly1305"]}), 0.0)
    assert close == CloseSocket(1002, "unsupported_encryption_mode", Recovery.TERMINAL)


@pytest.mark.parametrize(
    ("phase", "message"),
    [
        (Phase.GREETING, text(8, {"heartbeat_interval": "soon"})),
        (Phase.GREETING, text(8, {"heartbeat_interval": 0})),
        (Phase.GREETING, text(8, [])),
        (Phase.IDENTIFYING, text(2, None)),
        (Phase.IDENTIFYING, text(2, READY | {"ssrc": -1})),
        (Phase.IDENTIFYING, text(2, READY | {"port": 0})),
        (Phase.IDENTIFYING, text(2, READY | {"port": 70_000})),
        (Phase.IDENTIFYING, text(2, READY | {"ip": "media.example"})),
        (Phase.IDENTIFYING, text(2, READY | {"modes": "all"})),
        (Phase.SELECTING, text(4, {})),
        (Phase.SELECTING, text(4, SESSION | {"secret_key": KEY[:31]})),
        (Phase.SELECTING, text(4, SESSION | {"secret_key": [256, *KEY[1:]]})),
        (Phase.SELECTING, text(4, SESSION | {"mode": "xsalsa20_poly1305"})),
        (Phase.SELECTING, text(4, SESSION | {"dave_protocol_version": 2})),
        (Phase.SELECTING, text(4, SESSION | {"dave_protocol_version": None})),
    ],
)
def test_a_broken_handshake_closes_the_socket_for_good(phase, message):
    gateway = gateway_in(phase)
    (close,) = gateway.feed_text(message, 5.0)
    assert isinstance(close, CloseSocket)
    assert (close.code, close.recovery) == (1002, Recovery.NEW_SESSION)
    assert "256" not in close.reason
    assert gateway.phase is Phase.CLOSED
    assert gateway.next_poll() is None
    assert gateway.feed_text(text(3), 6.0) == []
    assert gateway.feed_binary(encode_server_binary(1, Op.MLS_PROPOSALS, b"x"), 6.0) == []
    assert gateway.poll(1e6) == []
    assert gateway.discovered("203.0.113.9", 1, 6.0) == []
    assert not gateway.session_established


@pytest.mark.parametrize(
    "odd",
    [{"experiments": [{"name": "x"}]}, {"experiments": {}}, {"streams": [{"max_resolution": {}}]}, {"streams": {}}],
)
def test_what_a_call_can_do_without_may_be_in_any_form_in_ready(odd):
    assert gateway_in(Phase.IDENTIFYING).feed_text(text(2, READY | odd), 0.0) == [Discover("10.1.2.3", 50_004, 1000)]


@pytest.mark.parametrize(
    "odd", [{"media_session_id": 7}, {"audio_codec": None}, {"video_codec": {}}, {"keyframe_interval": "2000"}]
)
def test_what_a_call_can_do_without_may_be_in_any_form_in_the_session_description(odd):
    (ready,) = gateway_in(Phase.SELECTING).feed_text(text(4, SESSION | odd), 0.0)
    assert (ready.secret_key, ready.dave_version) == (bytes(KEY), 1)


def test_a_video_state_is_told_without_what_of_it_is_not_understood():
    streams = [{"ssrc": 2, "rid": 100, "max_resolution": {"width": 1280, "height": 720}}]
    data = {"user_id": "9", "audio_ssrc": 1, "video_ssrc": 2, "streams": streams}
    (video,) = gateway_in(Phase.READY).feed_text(text(12, data), 0.0)
    assert [(stream.ssrc, stream.rid) for stream in video.video.streams] == [(2, None)]
    (changed,) = gateway_in(Phase.READY).feed_text(text(14, {"video_codec": "VP8", "codecs": [{}]}), 0.0)
    assert changed.update.video_codec == "VP8"


def test_version_0_counts_only_when_the_server_says_it():
    gateway = gateway_in(Phase.SELECTING)
    (ready,) = gateway.feed_text(text(4, SESSION | {"dave_protocol_version": 0}), 0.0)
    assert ready.dave_version == 0


STEPS = {
    Phase.GREETING: {"hello"},
    Phase.IDENTIFYING: {"ready"},
    Phase.DISCOVERING: {"discovered"},
    Phase.SELECTING: {"session"},
    Phase.READY: set(),
}


@pytest.mark.parametrize("phase", STEPS)
@pytest.mark.parametrize("step", ["hello", "ready", "discovered", "session"])
def test_a_step_that_is_not_awaited_is_ignored_and_counted(phase, step):
    gateway = gateway_in(phase)
    act = {
        "hello": lambda: gateway.feed_text(text(8, {"heartbeat_interval": 1000}), 0.0),
        "ready": lambda: gateway.feed_text(text(2, READY), 0.0),
        "discovered": lambda: gateway.discovered("203.0.113.9", 1, 0.0),
        "session": lambda: gateway.feed_text(text(4, SESSION), 0.0),
    }[step]
    effects = act()
    if step in STEPS[phase]:
        assert effects
        assert not gateway.ignored
    else:
        assert effects == []
        assert gateway.phase is phase
        assert gateway.ignored == {Ignored.UNEXPECTED: 1}


# --- heartbeats ---


def test_heartbeats_carry_the_last_number_of_either_kind_of_message():
    gateway = gateway_in(Phase.IDENTIFYING)
    op, beat = sent(gateway.poll(10.0))
    assert (op, beat) == (Op.HEARTBEAT, {"t": 10_000})
    gateway.feed_text(text(11, {"user_ids": []}, seq=7), 11.0)
    assert sent(gateway.poll(20.0))[1] == {"t": 20_000, "seq_ack": 7}
    gateway.feed_text(text(6, {"t": 20_000}), 20.5)
    gateway.feed_binary(encode_server_binary(65_535, Op.MLS_EXTERNAL_SENDER, b"x"), 21.0)
    assert sent(gateway.poll(30.0))[1]["seq_ack"] == 65_535
    gateway.feed_binary(encode_server_binary(65_536, Op.MLS_EXTERNAL_SENDER, b"x"), 31.0)
    assert sent(gateway.poll(40.0))[1]["seq_ack"] == 0
    assert gateway.seq_ack == 0


def test_a_message_without_a_number_leaves_the_last_one():
    gateway = gateway_in(Phase.READY)
    gateway.feed_text(text(6, {"t": 1}), 0.0)
    gateway.feed_text(text(99, None), 0.0)
    assert gateway.seq_ack == 2


@pytest.mark.parametrize("phase", [Phase.IDENTIFYING, Phase.DISCOVERING, Phase.SELECTING, Phase.READY])
def test_heartbeats_run_from_hello_on_in_every_phase(phase):
    gateway = gateway_in(phase)
    assert gateway.poll(9.999) == []
    assert sent(gateway.poll(10.0))[0] == Op.HEARTBEAT
    assert gateway.next_poll() == 20.0


@pytest.mark.parametrize("phase", [Phase.IDENTIFYING, Phase.DISCOVERING, Phase.SELECTING, Phase.READY])
def test_a_heartbeat_that_the_server_demands_leaves_at_once(phase):
    gateway = gateway_in(phase)
    op, beat = sent(gateway.feed_text(text(3), 4.0))
    assert (op, beat["t"]) == (Op.HEARTBEAT, 4000)
    assert gateway.next_poll() == 10.0


def test_the_answer_measures_the_round_trip():
    gateway = gateway_in(Phase.READY)
    nonce = sent(gateway.poll(10.0))[1]["t"]
    assert gateway.rtt_s is None
    assert gateway.feed_text(text(6, {"t": nonce}), 10.125) == []
    assert gateway.rtt_s == 0.125


def test_a_wrong_answer_is_counted_and_proves_nothing():
    gateway = gateway_in(Phase.READY)
    for now in (10.0, 20.0, 30.0):
        gateway.poll(now)
        gateway.feed_text(text(6, {"t": 5}), now)
    assert gateway.ignored == {Ignored.WRONG_ACK: 3}
    assert [type(effect) for effect in gateway.poll(40.0)] == [CloseSocket]


def test_three_unanswered_heartbeats_close_the_socket_to_resume():
    gateway = gateway_in(Phase.READY)
    for now in (10.0, 20.0, 30.0):
        assert len(gateway.poll(now)) == 1
    assert gateway.poll(39.9) == []
    assert gateway.poll(40.0) == [CloseSocket(4900, "heartbeat_timeout", Recovery.RESUME)]
    assert gateway.phase is Phase.CLOSED
    assert gateway.poll(50.0) == []


def test_a_server_in_doubt_is_asked_at_once_and_without_an_answer_the_socket_is_closed_to_resume():
    gateway = gateway_in(Phase.READY)
    op, beat = sent(gateway.doubt(4.0))
    assert (op, beat) == (Op.HEARTBEAT, {"t": 4_000, "seq_ack": 2})
    assert gateway.next_poll() == 9.0
    assert gateway.poll(9.0) == [CloseSocket(4900, "heartbeat_timeout", Recovery.RESUME)]
    assert gateway.doubt(10.0) == []
    assert gateway_in(Phase.GREETING).doubt(4.0) == []


def test_jitter_brings_the_first_heartbeat_forward_and_never_delays_it():
    for seed in range(50):
        gateway = VoiceGateway(WHO, Role.VOICE, rng=Random(seed))
        gateway.feed_text(text(8, {"heartbeat_interval": 10_000}), 0.0)
        assert 5.0 <= gateway.next_poll() <= 10.0


def test_heartbeats_before_hello_are_not_possible():
    gateway = gateway_in(Phase.GREETING)
    assert gateway.feed_text(text(3), 0.0) == []
    assert gateway.feed_text(text(6, {"t": 1}), 0.0) == []
    assert gateway.poll(1e9) == []
    assert gateway.ignored == {Ignored.UNEXPECTED: 2}


# --- what the server announces ---


@pytest.mark.parametrize(
    ("op", "data", "effect"),
    [
        (5, {"speaking": 1, "ssrc": 77, "user_id": "9"}, SpeakingAnnounced(9, 77, 1)),
        (5, {"speaking": 0, "delay": 0, "ssrc": 77, "user_id": "9"}, SpeakingAnnounced(9, 77, 0)),
        (11, {"user_ids": ["8", "18446744073709551615"]}, MembersConnected((8, 2**64 - 1))),
        (13, {"user_id": "9"}, MemberDisconnected(9)),
        (12, {"user_id": "9"}, MemberDisconnected(9)),
    ],
)
@pytest.mark.parametrize("phase", [Phase.DISCOVERING, Phase.READY])
def test_members_and_speakers_are_told_as_they_come(phase, op, data, effect):
    assert gateway_in(phase).feed_text(text(op, data), 0.0) == [effect]


@pytest.mark.parametrize("op", [12, 18])
def test_video_states_are_told(op):
    data = {"user_id": "9", "audio_ssrc": 1, "video_ssrc": 2, "streams": [{"ssrc": 2, "active": True}]}
    (video,) = gateway_in(Phase.READY).feed_text(text(op, data), 0.0)
    assert isinstance(video, VideoAnnounced)
    assert (video.user_id, video.video.video_ssrc, video.video.streams[0].active) == (9, 2, True)


@pytest.mark.parametrize(
    "data", [{"any": 100, "222": 50, "pixelCounts": {"222": 921600.0}}, {"any": 100, "streams": {"222": 50}}]
)
def test_what_others_want_to_see_is_told_in_both_forms(data):
    (wanted,) = gateway_in(Phase.READY).feed_text(text(15, data), 0.0)
    assert isinstance(wanted, WantsAnnounced)
    assert (wanted.wants.any, wanted.wants.wants) == (100, {222: 50})


def test_a_change_of_codec_is_told():
    (changed,) = gateway_in(Phase.READY).feed_text(text(14, {"video_codec": "VP8", "keyframe_interval": 2000}), 0.0)
    assert isinstance(changed, SessionUpdated)
    assert (changed.update.video_codec, changed.update.keyframe_interval) == ("VP8", 2000)


@pytest.mark.parametrize(
    ("op", "data"),
    [(16, {}), (18, {"user_id": "9", "flags": 2}), (20, {}), (999, [1])],
)
def test_other_opcodes_change_nothing(op, data):
    gateway = gateway_in(Phase.READY)
    assert gateway.feed_text(text(op, data), 0.0) == []
    assert gateway.ignored == {Ignored.UNKNOWN_OP: 1}


@pytest.mark.parametrize(
    ("op", "data"),
    [
        (5, {"speaking": 1, "ssrc": 77}),
        (5, {"speaking": 1, "ssrc": 77, "user_id": "nobody"}),
        (5, {"speaking": "1", "ssrc": 77, "user_id": "9"}),
        (6, {}),
        (11, {"user_ids": ["-1"]}),
        (11, {"user_ids": "8"}),
        (12, {"user_id": "9", "video_ssrc": "x"}),
        (13, {}),
        (13, 9),
        (21, {"transition_id": 65_536, "protocol_version": 1}),
        (22, {}),
        (24, {"epoch": "one", "protocol_version": 1}),
    ],
)
def test_a_malformed_announcement_is_counted_and_the_next_one_works(op, data):
    gateway = gateway_in(Phase.READY)
    assert gateway.feed_text(text(op, data), 0.0) == []
    assert gateway.ignored == {Ignored.MALFORMED_PAYLOAD: 1}
    assert gateway.feed_text(text(13, {"user_id": "9"}), 0.0) == [MemberDisconnected(9)]


@pytest.mark.parametrize("junk", ["", "{", "[]", "null", '{"op":"8"}', '{"op":-1}', "[" * 100_000, "\ud800"])
def test_text_that_is_no_message_is_counted(junk):
    gateway = gateway_in(Phase.IDENTIFYING)
    assert gateway.feed_text(junk, 0.0) == []
    assert gateway.ignored == {Ignored.MALFORMED_TEXT: 1}
    assert gateway.phase is Phase.IDENTIFYING


# --- DAVE ---


def test_dave_messages_are_handed_on_with_their_payload():
    gateway = gateway_in(Phase.READY)
    effects = [
        *gateway.feed_text(text(21, {"transition_id": 3, "protocol_version": 0}), 0.0),
        *gateway.feed_text(text(22, {"transition_id": 3}), 0.0),
        *gateway.feed_text(text(24, {"epoch": "1", "protocol_version": 1}), 0.0),
        *[e for op in (25, 27, 29, 30) for e in gateway.feed_binary(encode_server_binary(9, op, b"p%d" % op), 0.0)],
    ]
    assert effects == [
        DaveMessage(Op.PREPARE_TRANSITION, PrepareTransition(transition_id=3, protocol_version=0)),
        DaveMessage(Op.EXECUTE_TRANSITION, ExecuteTransition(transition_id=3)),
        DaveMessage(Op.PREPARE_EPOCH, PrepareEpoch(epoch=1, protocol_version=1)),
        DaveMessage(Op.MLS_EXTERNAL_SENDER, b"p25"),
        DaveMessage(Op.MLS_PROPOSALS, b"p27"),
        DaveMessage(Op.MLS_ANNOUNCE_COMMIT, b"p29"),
        DaveMessage(Op.MLS_WELCOME, b"p30"),
    ]


@pytest.mark.parametrize("phase", [Phase.GREETING, Phase.IDENTIFYING, Phase.DISCOVERING, Phase.SELECTING])
def test_early_dave_messages_follow_the_session_description_in_order(phase):
    gateway = gateway_in(phase)
    assert gateway.feed_binary(encode_server_binary(1, 25, b"external sender"), 0.0) == []
    assert gateway.feed_text(text(24, {"epoch": 1, "protocol_version": 1}, 2), 0.0) == []
    assert gateway.feed_binary(encode_server_binary(3, 27, b"proposals"), 0.0) == []
    for step in (
        lambda: gateway.feed_text(text(8), 0.0),
        lambda: gateway.feed_text(text(2, READY), 0.0),
        lambda: gateway.discovered("203.0.113.9", 1, 0.0),
    ):
        step()
    ready, *early = gateway.feed_text(text(4, SESSION), 0.0)
    assert isinstance(ready, SessionReady)
    assert [message.op for message in early] == [25, 24, 27]
    assert early[0].payload == b"external sender"
    assert gateway.feed_binary(encode_server_binary(4, 27, b"p"), 0.0) == [DaveMessage(Op.MLS_PROPOSALS, b"p")]


def test_early_messages_are_bounded_in_number():
    gateway = gateway_in(Phase.SELECTING)
    for index in range(EARLY_MESSAGES + 3):
        gateway.feed_binary(encode_server_binary(index, 27, b"%d" % index), 0.0)
    _, *early = gateway.feed_text(text(4, SESSION), 0.0)
    assert [message.payload for message in early] == [b"%d" % index for index in range(EARLY_MESSAGES)]
    assert gateway.ignored == {Ignored.EARLY_OVERFLOW: 3}


def test_early_messages_are_bounded_in_bytes():
    gateway = gateway_in(Phase.SELECTING)
    gateway.feed_binary(encode_server_binary(1, 27, bytes(EARLY_BYTES)), 0.0)
    gateway.feed_binary(encode_server_binary(2, 27, b"x"), 0.0)
    assert gateway.ignored == {Ignored.EARLY_OVERFLOW: 1}


@pytest.mark.parametrize(
    ("frame", "cause"),
    [
        (b"", Ignored.MALFORMED_BINARY),
        (b"\x00\x01", Ignored.MALFORMED_BINARY),
        (encode_server_binary(1, 26, b"x"), Ignored.UNKNOWN_OP),
        (encode_server_binary(1, 255, b"x"), Ignored.UNKNOWN_OP),
        (text(13, {"user_id": "9"}).encode(), Ignored.UNKNOWN_OP),
    ],
)
def test_binary_frames_that_are_no_dave_message_of_a_server_are_counted(frame, cause):
    gateway = gateway_in(Phase.READY)
    assert gateway.feed_binary(frame, 0.0) == []
    assert gateway.ignored == {cause: 1}


# --- resume, secrets, fuzz ---


def test_the_resume_message_continues_after_the_last_number():
    gateway = gateway_in(Phase.READY)
    assert json.loads(gateway.resume_message()) == {
        "op": 7,
        "d": {
            "server_id": "11",
            "channel_id": "22",
            "session_id": "the-session",
            "token": "the-token",
            "seq_ack": 2,
        },
    }


def resumed(gateway, interval_ms=5_000.0):
    """Take `gateway` through a resume on another socket that opens at 100."""
    gateway.begin_resume()
    gateway.opened(100.0)
    return [
        *gateway.feed_text(text(8, {"heartbeat_interval": interval_ms}), 100.0),
        *gateway.feed_text(text(9, None), 100.1),
    ]


def test_a_resume_is_asked_for_behind_the_greeting_and_ends_with_the_servers_word():
    gateway = gateway_in(Phase.READY)
    gateway.begin_resume()
    assert (gateway.phase, gateway.session_established, gateway.resumable) == (Phase.RESUMING, False, True)
    assert gateway.opened(100.0) == []
    (asked,) = gateway.feed_text(text(8, {"heartbeat_interval": 5_000.0}), 100.0)
    assert asked == SendText(gateway.resume_message())
    assert not gateway.session_established
    assert gateway.feed_text(text(9, None), 100.1) == [SessionResumed()]
    assert gateway.session_established
    assert not gateway.ignored


def test_a_greeting_knows_no_session_so_that_its_number_is_not_where_we_are():
    gateway = gateway_in(Phase.READY)
    gateway.begin_resume()
    (asked,) = gateway.feed_text(text(8, {"heartbeat_interval": 5_000.0}, 0), 100.0)
    assert json.loads(asked.text)["d"]["seq_ack"] == 2


def test_a_resumed_socket_beats_by_its_own_greeting_and_can_be_lost_and_resumed_again():
    gateway = gateway_in(Phase.READY)
    for _ in range(2):
        resumed(gateway)
        for now in (105.0, 110.0, 115.0):
            assert sent(gateway.poll(now))[1]["seq_ack"] == 2
        assert gateway.poll(120.0) == [CloseSocket(4900, "heartbeat_timeout", Recovery.RESUME)]
        assert gateway.resumable


@pytest.mark.parametrize("phase", [Phase.GREETING, Phase.IDENTIFYING, Phase.DISCOVERING, Phase.SELECTING])
def test_before_the_session_description_there_is_nothing_to_resume(phase):
    assert not gateway_in(phase).resumable


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase not in {Phase.OPENING, Phase.CLOSED}])
def test_that_a_session_goes_on_is_news_only_to_who_asked(phase):
    gateway = gateway_in(phase)
    assert gateway.feed_text(text(9, None), 1.0) == []
    assert gateway.ignored == {Ignored.UNEXPECTED: 1}


def test_what_a_replay_repeats_is_counted_and_what_is_new_is_taken_whatever_carries_it():
    gateway = gateway_in(Phase.READY)
    gateway.feed_binary(encode_server_binary(3, Op.MLS_PROPOSALS, b"old"), 1.0)
    resumed(gateway)
    assert gateway.feed_text(text(11, {"user_ids": ["8"]}, 2), 101.0) == []
    assert gateway.feed_binary(encode_server_binary(3, Op.MLS_PROPOSALS, b"old"), 101.0) == []
    assert gateway.seq_ack == 3
    assert gateway.feed_text(text(11, {"user_ids": ["8"]}, 4), 101.0) == [MembersConnected((8,))]
    (new,) = gateway.feed_binary(encode_server_binary(5, Op.MLS_PROPOSALS, b"new"), 101.0)
    assert new.payload == b"new"
    assert gateway.ignored == {Ignored.REPEATED: 2}


def test_the_numbers_of_a_replay_may_wrap():
    gateway = gateway_in(Phase.READY)
    gateway.feed_binary(encode_server_binary(65_535, Op.MLS_PROPOSALS, b"old"), 1.0)
    resumed(gateway)
    assert gateway.feed_binary(encode_server_binary(65_535, Op.MLS_PROPOSALS, b"old"), 101.0) == []
    assert len(gateway.feed_binary(encode_server_binary(0, Op.MLS_PROPOSALS, b"new"), 101.0)) == 1


def test_a_replay_that_comes_before_the_servers_word_is_taken_all_the_same():
    gateway = gateway_in(Phase.READY)
    gateway.begin_resume()
    gateway.feed_text(text(8, {"heartbeat_interval": 5_000.0}), 100.0)
    (proposals,) = gateway.feed_binary(encode_server_binary(3, Op.MLS_PROPOSALS, b"new"), 100.0)
    assert proposals.payload == b"new"
    assert gateway.feed_text(text(9, None), 100.1) == [SessionResumed()]


def test_no_effect_of_a_handshake_shows_a_secret():
    gateway = VoiceGateway(WHO, Role.VOICE)
    effects = [
        *gateway.feed_text(text(8), 0.0),
        *gateway.feed_text(text(2, READY), 0.0),
        *gateway.discovered("203.0.113.9", 1, 0.0),
        *gateway.feed_text(text(4, SESSION), 0.0),
    ]
    shown = f"{effects!r} {gateway!r} {WHO!r} {vars(gateway)!r}"
    assert len(effects) == 4
    assert "the-token" not in shown
    assert "the-session" not in shown
    assert repr(bytes(KEY)) not in shown


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
FIELDS = st.sampled_from(
    [
        "ssrc",
        "ip",
        "port",
        "modes",
        "experiments",
        "streams",
        "heartbeat_interval",
        "t",
        "seq_ack",
        "user_id",
        "user_ids",
        "speaking",
        "mode",
        "secret_key",
        "dave_protocol_version",
        "epoch",
        "protocol_version",
        "transition_id",
        "audio_ssrc",
        "video_ssrc",
        "flags",
        "v",
    ]
)
PLAUSIBLE = st.dictionaries(FIELDS, JSON | st.integers(0, 70_000) | st.just("9") | st.just(["9"]), max_size=6)
GOOD = st.sampled_from(
    [text(8), text(2, READY), text(4, SESSION), text(3), text(24, {"epoch": 1, "protocol_version": 1})]
)
MESSAGES = st.builds(text, st.integers(0, 40), PLAUSIBLE | JSON, st.none() | st.integers(0, 70_000))
INPUTS = st.one_of(
    st.tuples(st.just("text"), GOOD | MESSAGES | st.text(max_size=30)),
    st.tuples(
        st.just("binary"),
        st.binary(max_size=40)
        | st.builds(encode_server_binary, st.integers(0, 2**16), st.integers(20, 33), st.binary(max_size=9)),
    ),
    st.tuples(st.just("discovered"), st.just("203.0.113.9")),
    st.tuples(st.just("poll"), st.floats(0.0, 30.0)),
)
EFFECTS = (
    SendText,
    SendBinary,
    Discover,
    SessionReady,
    SessionResumed,
    DaveMessage,
    SpeakingAnnounced,
    MembersConnected,
    MemberDisconnected,
    VideoAnnounced,
    WantsAnnounced,
    SessionUpdated,
    CloseSocket,
)


@settings(max_examples=400)
@given(st.sampled_from([p for p in Phase if p is not Phase.CLOSED]), st.lists(INPUTS, max_size=25))
def test_nothing_that_a_server_sends_raises_and_dave_never_precedes_the_session(phase, inputs):
    gateway, now, told = gateway_in(phase), 0.0, []
    ready = phase in {Phase.READY, Phase.RESUMING}
    for kind, value in inputs:
        match kind:
            case "text":
                effects = gateway.feed_text(value, now)
            case "binary":
                effects = gateway.feed_binary(value, now)
            case "discovered":
                effects = gateway.discovered(value, 1, now)
            case _:
                now += value
                effects = gateway.poll(now)
        told += effects
        for effect in effects:
            assert isinstance(effect, EFFECTS)
            ready |= isinstance(effect, SessionReady)
            assert ready or not isinstance(effect, DaveMessage)
        if any(isinstance(effect, CloseSocket) for effect in told):
            assert gateway.phase is Phase.CLOSED
    assert sum(isinstance(effect, SessionReady | CloseSocket) for effect in told) <= 2
    assert sum(isinstance(effect, CloseSocket) for effect in told) <= 1
