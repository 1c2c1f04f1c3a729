import base64
import struct
import zlib
from random import Random

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clankvox.ids import PUBLISH, Role, connection_address
from clankvox.media.silence_tail import TAIL_FRAMES
from clankvox.messages.publish import PublishEnded, PublishFailed, PublishGateChanged, PublishStarted
from clankvox.wire.gateway_ops import Op
from clankvox.wire.rtcp import RTCP_CLEAR_BYTES, SenderReport, parse_compound
from clankvox.wire.rtp import is_rtcp, is_rtp, parse_header, strip
from clankvox.wire.transport_crypto import open_sealed
from tests.actors.test_stream import connect
from tests.support.crash import arm, crash
from tests.support.factory import Call, short
from tests.support.fake_server import KEY, MODE
from tests.support.spoken import decode_stereo

STATE = "transport_state stream_publish"
URL = "https://example.com/film"


class Studio:
    """A call with a publisher: what the parent reads, what the worker is told, what the gateway hears."""

    def __init__(self, *, linked=True, dave_version=0):
        self.call = Call()
        if linked:
            self.link(dave_version)
        self.call.events()
        self.worker.new_calls()

    def link(self, dave_version=0):
        connect(self.call, "stream_publish")
        self.role.server.handshake(dave_version)

    @property
    def role(self):
        return self.call.roles[Role.STREAM_PUBLISH]

    @property
    def worker(self):
        return self.call.publisher

    def order(self, name, **fields):
        self.call.line(type=f"stream_publish_{name}", **fields)
        self.call.drain()
        return self.said()

    def play(self, url=URL, **fields):
        return self.order("play", url=url, **fields)

    def said(self):
        return short(self.call.events())

    def news(self, message):
        self.call.told(message, self.call.actor(PUBLISH))
        return self.said()

    def state(self):
        return self.call.state("stream_publish publish")

    def announced(self):
        """(active, speaking) of each announcement on the stream's gateway so far."""
        sent = self.role.server.json_sent()
        videos = [bool(d["streams"] and d["streams"][0]["active"]) for op, d in sent if op == Op.VIDEO]
        speaking = [d["speaking"] for op, d in sent if op == Op.SPEAKING]
        return videos, speaking


def picture():
    """One black pixel."""
    data = zlib.compress(b"\0\0\0\0")
    chunks = [(b"IHDR", struct.pack("!IIBBBBB", 1, 1, 8, 2, 0, 0, 0)), (b"IDAT", data), (b"IEND", b"")]
    body = [struct.pack("!I", len(d)) + kind + d + struct.pack("!I", zlib.crc32(kind + d)) for kind, d in chunks]
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"".join(body)).decode()


def test_a_source_on_a_connection_plays_at_once_and_the_gateway_is_told_first():
    studio = Studio()
    assert studio.play() == [f"{STATE} playing"]
    assert studio.worker.new_calls()[-1] == "start 1"
    assert studio.announced() == ([False, True], [2])
    video = [d for op, d in studio.role.server.json_sent() if op == Op.VIDEO][-1]
    assert (video["audio_ssrc"], video["video_ssrc"], video["rtx_ssrc"]) == (1000, 1001, 1002)
    assert video["streams"][0]["max_resolution"] == {"type": "fixed", "width": 1280, "height": 720}


def test_a_source_without_a_connection_waits_and_plays_when_there_is_one():
    studio = Studio(linked=False)
    assert studio.play() == [f"{STATE} waiting_for_transport"]
    studio.link()
    assert studio.said() == [
        f"{STATE} connecting",
        f"{STATE} ready",
        f"{STATE} playing",
        "dave_state stream_publish disabled 0",
    ]
    assert studio.state() == "playing"
    assert studio.announced()[1] == [2]


@settings(max_examples=60, deadline=None)
@given(turns=st.lists(st.integers(0, 3), max_size=40), dave_version=st.sampled_from([0, 1]))
def test_whoever_gets_time_first_what_plays_is_told_before_how_it_is_encrypted(turns, dave_version):
    studio = Studio(linked=False)
    studio.play()
    connect(studio.call, "stream_publish")
    studio.role.server.before_session()
    assert studio.said() == [f"{STATE} connecting"]
    drawn = iter(turns)
    studio.role.server.session(dave_version)
    studio.role.server.members(42)
    studio.call.drain(lambda _count: next(drawn, 0))
    said = [line for line in studio.said() if "waiting" not in line]
    assert said == [
        f"{STATE} ready",
        f"{STATE} playing",
        f"dave_state stream_publish {'negotiating' if dave_version else 'disabled'} {dave_version}",
    ]


def test_a_path_that_is_lost_before_it_is_taken_begins_no_group_and_the_next_one_does():
    studio = Studio(linked=False)
    studio.play()
    studio.call.pump.actors.remove(studio.call.actor(PUBLISH))  # who gets no time
    studio.link(dave_version=1)
    assert studio.said() == [f"{STATE} connecting", f"{STATE} ready"]
    studio.role.server.lost(4006)
    studio.call.drain()
    assert studio.said() == [f"{STATE} connecting"]
    studio.call.pump.actors.append(studio.call.actor(PUBLISH))
    studio.call.drain()
    assert studio.said() == [f"{STATE} playing"], "what the publish actor had still to read, and nothing of a group"
    studio.role.server.handshake(1)
    assert studio.said() == [f"{STATE} ready", f"{STATE} playing", "dave_state stream_publish negotiating 1"]


def test_the_same_source_again_is_answered_and_goes_on_undisturbed():
    studio = Studio()
    studio.play()
    studio.worker.new_calls()
    assert studio.play() == [f"{STATE} playing"]
    assert studio.worker.new_calls() == []


def test_the_same_source_again_while_it_waits_or_is_paused():
    waiting = Studio(linked=False)
    waiting.play()
    assert waiting.play() == [f"{STATE} waiting_for_transport"]
    paused = Studio()
    paused.play()
    paused.order("pause")
    assert paused.play() == [f"{STATE} playing"]
    assert paused.worker.new_calls()[-1] == "resume"


@pytest.mark.parametrize("paused", [False, True])
def test_another_source_replaces_the_old_one(paused):
    studio = Studio()
    studio.play()
    if paused:
        studio.order("pause")
    assert studio.play("https://example.com/other") == [f"{STATE} playing"]
    assert studio.worker.new_calls()[-2:] == ["stop", "start 2"]


def test_a_replacement_waits_with_its_predecessor():
    studio = Studio(linked=False)
    studio.play()
    studio.order("pause")
    assert studio.play("https://example.com/other") == [f"{STATE} waiting_for_transport"]
    assert studio.play("https://example.com/third") == [f"{STATE} waiting_for_transport"]


def test_a_url_is_needed():
    studio = Studio()
    assert studio.play("  ") == [f"{STATE} failed stream_publish_play_missing_url"]
    said = studio.order("play_visualizer", url="")
    assert said == [f"{STATE} failed stream_publish_play_visualizer_missing_url"]
    assert studio.state() == "idle"


def test_what_is_asked_for_reaches_the_worker():
    studio = Studio()
    studio.order("play_visualizer", url=URL, resolvedDirectUrl=True, visualizerMode="waves", withAudio=True)
    request = studio.worker.request
    assert (request.url, request.direct, request.visualizer_mode, request.with_audio) == (URL, True, "waves", True)
    assert studio.worker.audio is not None
    studio.play()
    assert studio.worker.audio is None


def test_stopping_says_ready_only_where_there_is_a_connection():
    studio = Studio()
    studio.play()
    assert studio.order("stop") == [f"{STATE} ready stream_publish_stopped"]
    assert studio.announced() == ([False, True, False], [2, 0])
    assert studio.order("stop") == [f"{STATE} ready stream_publish_stopped"]
    waiting = Studio(linked=False)
    waiting.play()
    assert waiting.order("stop") == [f"{STATE} disconnected stream_publish_stopped"]


def test_pausing_and_resuming_tells_worker_gateway_and_parent():
    studio = Studio()
    studio.play()
    assert studio.order("pause") == [f"{STATE} paused"]
    assert studio.order("pause") == []
    assert studio.order("resume") == [f"{STATE} playing"]
    assert studio.order("resume") == []
    assert studio.worker.new_calls()[-2:] == ["pause", "resume"]
    assert studio.announced() == ([False, True, False, True], [2, 0, 2])


def test_pausing_nothing_and_a_source_that_waits():
    assert Studio().order("pause") == []
    studio = Studio(linked=False)
    studio.play()
    assert studio.order("pause") == [f"{STATE} paused"]
    assert studio.order("resume") == [f"{STATE} waiting_for_transport"]
    studio.order("pause")
    studio.link()
    assert studio.state() == "paused"
    assert studio.announced()[1] == []


def test_the_first_picture_on_a_connection_is_told_once_per_source_and_connection():
    studio = Studio()
    studio.play()
    attempt = studio.worker.attempt
    assert studio.news(PublishStarted(source=1, attempt=attempt)) == ["stream_publish_media_started stream_publish 1 1"]
    assert studio.news(PublishStarted(source=9, attempt=attempt)) == []
    assert studio.news(PublishStarted(source=1, attempt=attempt + 7)) == []
    studio.link()
    studio.said()
    told = studio.news(PublishStarted(source=1, attempt=studio.worker.attempt))
    assert told == ["stream_publish_media_started stream_publish 2 1"]


def test_a_source_that_ends_leaves_the_connection_ready():
    studio = Studio()
    studio.play()
    assert studio.news(PublishEnded(source=1)) == [f"{STATE} ready stream_publish_idle"]
    assert studio.news(PublishEnded(source=1)) == []
    assert studio.announced() == ([False, True, False], [2, 0])
    assert studio.play() == [f"{STATE} playing"]


@pytest.mark.parametrize("before", [[], ["pause"]])
@pytest.mark.parametrize("linked", [True, False])
def test_a_source_that_fails_says_why_in_every_state(before, linked):
    for message, told in (
        (PublishFailed(source=1, reason="no picture"), f"{STATE} failed no picture"),
        (PublishEnded(source=1), f"{STATE} {'ready' if linked else 'disconnected'} stream_publish_idle"),
    ):
        studio = Studio(linked=linked)
        studio.play()
        for order in before:
            studio.order(order)
        assert studio.news(message) == [told]
        assert studio.state() == "idle"


def test_a_lost_connection_keeps_the_source_for_the_next_one():
    studio = Studio()
    studio.play()
    studio.role.server.lost(4004)
    studio.call.drain()
    assert studio.said() == ["dave_state stream_publish cleared", f"{STATE} disconnected authentication_failed"]
    assert studio.state() == "waiting"
    assert studio.worker.attempt is None
    studio.link()
    assert f"{STATE} playing" in studio.said()
    assert studio.announced() == ([False, True, False, True], [2, 2])
    assert "start 2" not in studio.worker.new_calls()


def test_a_paused_source_survives_a_lost_connection():
    studio = Studio()
    studio.play()
    studio.order("pause")
    studio.role.server.lost(4004)
    studio.call.drain()
    assert studio.state() == "paused_waiting"
    assert studio.order("resume") == [
        "dave_state stream_publish cleared",
        f"{STATE} disconnected authentication_failed",
        f"{STATE} waiting_for_transport",
    ]


def test_a_new_connection_of_the_parent_takes_the_running_source_over():
    studio = Studio()
    studio.play()
    studio.worker.new_calls()
    studio.link()
    said = studio.said()
    assert said[:2] == ["dave_state stream_publish cleared", f"{STATE} connecting"]
    assert f"{STATE} playing" in said
    assert "stop" not in studio.worker.new_calls()


@pytest.mark.parametrize("orders", [[], ["pause"]])
def test_disconnecting_ends_the_source_too(orders):
    studio = Studio()
    studio.play()
    for order in orders:
        studio.order(order)
    studio.call.line(type="stream_publish_disconnect", reason="enough")
    studio.call.drain()
    assert studio.said()[-2:] == ["dave_state stream_publish cleared", f"{STATE} disconnected enough"]
    assert studio.state() == "idle"
    assert studio.worker.new_calls()[-1] == "stop"
    sent = studio.role.server.json_sent()
    assert [d["streams"] for op, d in sent if op == Op.VIDEO][-1] == []
    assert [d["speaking"] for op, d in sent if op == Op.SPEAKING][-1] == 0


def test_pictures_of_the_parent_go_to_the_worker():
    studio = Studio()
    assert studio.order("browser_start", mimeType=" IMAGE/PNG ") == [f"{STATE} playing"]
    frame = picture()
    assert studio.order("browser_frame", mimeType="image/png", frameBase64=frame, capturedAtMs=17) == []
    ((png, captured_at_ms),) = studio.worker.pictures
    assert captured_at_ms == 17
    assert png.startswith(b"\x89PNG")


def test_pictures_without_their_source_are_refused():
    studio = Studio()
    frame = {"mimeType": "image/png", "frameBase64": picture()}
    reason = "stream_publish_browser_source_not_started"
    assert studio.order("browser_frame", **frame) == [f"{STATE} waiting_for_transport {reason}"]
    studio.play()
    assert studio.order("browser_frame", **frame) == [f"{STATE} failed stream_publish_browser_frame_source_mismatch"]
    studio.order("pause")
    assert studio.order("browser_frame", **frame) == []


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"mimeType": "image/jpeg", "frameBase64": "AAAA"}, "unsupported_mime_type"),
        ({"mimeType": "image/png", "frameBase64": ""}, "missing_bytes"),
        ({"mimeType": "image/png", "frameBase64": "?"}, "invalid_base64: not padded base64 of the standard alphabet"),
        ({"mimeType": "image/png", "frameBase64": "AAAA"}, "invalid_png: not a PNG"),
    ],
)
def test_pictures_that_are_none_are_refused_with_their_reason(fields, reason):
    studio = Studio()
    studio.order("browser_start", mimeType="image/png")
    assert studio.order("browser_frame", **fields) == [f"{STATE} failed stream_publish_browser_frame_{reason}"]
    assert studio.state() == "playing"


def test_only_png_is_taken_from_a_browser():
    said = Studio().order("browser_start", mimeType="image/webp")
    assert said == [f"{STATE} failed stream_publish_browser_start_unsupported_mime_type"]


@pytest.mark.parametrize(
    ("wants", "wanted"),
    [({"any": 100}, True), ({"any": 0}, False), ({"any": 0, "1001": 100}, True), ({"any": 100, "1001": 0}, False)],
)
def test_nobody_who_watches_means_nothing_to_encode(wants, wanted):
    studio = Studio()
    studio.play()
    studio.role.server.text(Op.MEDIA_SINK_WANTS, wants)
    studio.call.drain()
    assert studio.worker.wanted is wanted


def test_a_change_of_the_group_asks_for_a_picture_that_newcomers_can_decode():
    studio = Studio()
    studio.play()
    studio.worker.new_calls()
    studio.news(PublishGateChanged())
    assert studio.worker.new_calls() == ["idr"]


def test_a_server_that_wants_another_codec_ends_the_connection():
    studio = Studio()
    studio.play()
    studio.role.server.text(Op.SESSION_UPDATE, {"video_codec": "VP8"})
    studio.call.drain()
    assert studio.said() == ["dave_state stream_publish cleared", f"{STATE} disconnected unsupported_video_codec"]
    studio.link()
    studio.role.server.text(Op.SESSION_UPDATE, {"video_codec": "H264"})
    studio.call.drain()
    assert studio.state() == "playing"


def test_key_frames_come_as_often_as_the_server_wants_them():
    studio = Studio()
    studio.play()
    studio.worker.new_calls()
    studio.role.server.text(Op.SESSION_UPDATE, {"keyframe_interval": 1_000})
    studio.call.drain()
    assert studio.worker.new_calls() == ["retarget"]
    assert studio.worker.target.keyframe_interval_s == 1.0
    studio.role.server.text(Op.SESSION_UPDATE, {"keyframe_interval": 1_000})
    studio.call.drain()
    studio.link()  # a server that says nothing leaves it to us again
    assert studio.worker.target.keyframe_interval_s == 2.0


def tone(frames):
    return np.repeat((8_000 * np.sin(np.arange(frames * 960) / 20)).astype(np.int16)[:, np.newaxis], 2, axis=1)


def heard_of(studio):
    """What a viewer's decoder makes of the sound that left."""
    datagrams = [(parse_header(datagram), datagram) for datagram in studio.role.udp.sent if is_rtp(datagram)]
    opened = [strip(header, open_sealed(MODE, KEY, each, header.clear_bytes)) for header, each in datagrams]
    return decode_stereo(opened)


def test_the_sound_of_a_source_leaves_on_the_streams_own_ssrc_and_is_reported():
    studio = Studio()
    studio.play(withAudio=True)
    now = studio.call.clock.now()
    studio.worker.audio.put(studio.worker.audio.lease(), now + 0.04, tone(50))
    studio.call.run(1.5)
    sent = studio.role.udp.sent
    sound = [parse_header(datagram) for datagram in sent if is_rtp(datagram) and len(datagram) > 74]
    assert len(sound) >= 48
    assert {header.ssrc for header in sound} == {1000}
    assert [header.timestamp for header in sound] == [sound[0].timestamp + 960 * number for number in range(len(sound))]
    reports = [datagram for datagram in sent if is_rtcp(datagram)]
    (report,) = parse_compound(reports[0][:8] + open_sealed(MODE, KEY, reports[0], RTCP_CLEAR_BYTES))
    assert isinstance(report, SenderReport)
    assert (report.ssrc, report.packets > 40) == (1000, True)


def test_slots_that_are_served_late_move_no_sound_away_from_its_picture():
    studio = Studio()
    studio.play(withAudio=True)
    clock = studio.call.clock
    studio.worker.audio.put(studio.worker.audio.lease(), clock.now() + 0.04, tone(150))
    studio.call.run(1.1)
    for _ in range(6):
        studio.call.run(0.043)
        clock.move_to(clock.now() + 0.19)
        studio.call.pacer.serve_slot(clock.now())
    reports = []
    for datagram in filter(is_rtcp, studio.role.udp.sent):
        reports += parse_compound(datagram[:8] + open_sealed(MODE, KEY, datagram, RTCP_CLEAR_BYTES))
    zero = reports[0].rtp_timestamp
    starts_s = [report.ntp / (1 << 32) - (report.rtp_timestamp - zero) / 48_000 for report in reports]
    assert len(starts_s) >= 2
    assert max(starts_s) - min(starts_s) < 0.03, "the beginning of the sound, by each report"


def test_the_sound_of_a_source_is_heard_to_its_last_sample_if_it_ends_by_itself():
    studio = Studio()
    studio.play(withAudio=True)
    audio = studio.worker.audio
    lease = audio.lease()
    audio.put(lease, studio.call.clock.now() + 0.04, tone(10))
    while audio.end_s(lease) is not None:
        studio.call.run(0.001)
    studio.news(PublishEnded(source=1))  # as the worker does: nothing waits any more
    studio.call.run(0.5)
    heard = heard_of(studio)
    assert len(heard) == (10 + 1 + TAIL_FRAMES) * 960
    assert np.abs(heard[10 * 960 + 100 : 10 * 960 + 250]).mean() > 1_000, "the encoder's delay is 312 samples"


def test_nothing_of_a_source_that_was_stopped_is_heard_in_the_next_one():
    studio = Studio()
    studio.play(withAudio=True)
    audio = studio.worker.audio
    audio.put(audio.lease(), studio.call.clock.now(), tone(50))
    studio.call.run(0.2)
    studio.order("stop")
    studio.call.run(0.5)
    before = len(heard_of(studio))
    studio.play("https://example.com/other", withAudio=True)
    audio.put(audio.lease(), studio.call.clock.now() + 0.04, np.zeros((9_600, 2), np.int16))
    studio.call.run(0.5)
    other = heard_of(studio)[before:]
    assert len(other) == (10 + TAIL_FRAMES) * 960
    assert np.abs(other).max() < 30


def test_paused_sound_is_silent():
    studio = Studio()
    studio.play(withAudio=True)
    studio.order("pause")
    silent = np.full((4_800, 2), 3_000, np.int16)
    studio.worker.audio.put(studio.worker.audio.lease(), studio.call.clock.now(), silent)
    studio.call.run(0.5)
    assert not [datagram for datagram in studio.role.udp.sent if is_rtp(datagram) and len(datagram) > 74]


def test_an_actor_that_ends_leaves_no_worker_behind():
    studio = Studio()
    studio.play()
    studio.call.actor(PUBLISH).let_go()
    assert studio.worker.new_calls()[-2:] == ["stop", "detach"]


@pytest.mark.parametrize("orders", [[], ["pause"]])
def test_a_path_that_replaces_another_without_a_word_of_its_end_is_taken(orders):
    studio = Studio()
    studio.play()
    for order in orders:
        studio.order(order)
    state, path = studio.state(), studio.call.actor(PUBLISH)._path
    studio.news(msgspec.structs.replace(path, attempt=path.attempt + 1))
    assert (studio.state(), studio.worker.attempt) == (state, path.attempt + 1)


def test_a_paused_source_can_be_stopped():
    studio = Studio()
    studio.play()
    studio.order("pause")
    assert studio.order("stop") == [f"{STATE} ready stream_publish_stopped"]
    assert studio.state() == "idle"


def test_a_paused_source_waits_through_connections_that_come_to_nothing():
    studio = Studio(linked=False)
    studio.play()
    studio.order("pause")
    connect(studio.call, "stream_publish")
    studio.role.server.lost(4006)
    studio.call.drain()
    assert studio.state() == "paused_waiting"


@pytest.mark.parametrize("seed", range(8))
def test_the_silence_behind_the_sound_leaves_before_the_socket_closes(seed):
    studio = Studio()
    studio.play(withAudio=True)
    studio.worker.audio.put(studio.worker.audio.lease(), studio.call.clock.now(), np.full((48_000, 2), 3_000, np.int16))
    studio.call.run(0.2)
    udp, left, close = studio.role.udp, [], studio.role.udp.close
    said = len(udp.sent)
    udp.close = lambda: (left.append(len(udp.sent)), close())
    studio.call.line(type="stream_publish_disconnect")
    studio.call.drain(Random(seed).randrange)
    assert left == [said + TAIL_FRAMES]
    assert len(udp.sent) == said + TAIL_FRAMES


def test_a_connection_that_fails_too_often_ends_its_source():
    studio = Studio()
    studio.play()
    studio.worker.new_calls()
    for _ in range(4):
        crash(studio.call, connection_address(Role.STREAM_PUBLISH))
    said = studio.said()
    assert "error voice_runtime_error stream_publish" in said
    assert f"{STATE} disconnected internal_error" in said
    assert (studio.state(), studio.worker.request, studio.worker.attempt) == ("idle", None, None)
    studio.link()
    assert studio.play()[-1] == f"{STATE} playing"


@pytest.mark.parametrize("told", [True, False])
def test_a_source_whose_actor_fails_too_often_is_told_to_have_failed(told):
    studio = Studio()
    studio.order("pause")  # brings the actor to life
    for _ in range(3):
        crash(studio.call, PUBLISH)
    if told:
        studio.play()
    arm(studio.call, studio.call.actor(PUBLISH))
    said = studio.play(URL + "/another")
    assert "error voice_runtime_error stream_publish" in said
    assert said.count(f"{STATE} failed internal_error") == 1
    assert said[-1] == f"{STATE} disconnected internal_error"
    assert studio.state() == "idle"
