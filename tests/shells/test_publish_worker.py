"""The worker's thread: news once, orders in order, and a source that hangs costs nobody else anything."""

import queue
import threading
from random import Random

import av
import pytest

from clankvox.clock import SystemClock
from clankvox.errors import CodecError
from clankvox.media.browser_pictures import BrowserPictures
from clankvox.media.container_pictures import ContainerPictures
from clankvox.media.frame_cipher import FrameCipher, Gate
from clankvox.media.packet_sealer import PacketSealer
from clankvox.media.png_picture import PngRefused
from clankvox.media.publish_line import LineCounters, PublishLine
from clankvox.media.video_path import VideoPath
from clankvox.media.video_sender import VideoSender
from clankvox.media.video_target import VideoTarget
from clankvox.messages.publish import PublishEnded, PublishFailed, PublishStarted
from clankvox.ports import PublishStep
from clankvox.shells.pacer import Pacer
from clankvox.shells.publish_worker import NoPictureSource, PublishWorker
from clankvox.wire.h264 import depacketise
from clankvox.wire.rtp import parse_header, strip
from clankvox.wire.transport_crypto import TransportMode
from tests.media.test_png_picture import png
from tests.support.coded_video import av_frame, index_of
from tests.support.published import RTX_SSRC, SSRC, decoded, film, luma, png_of
from tests.support.scripted_source import FileOpener

DEADLINE_S = 20.0
TARGET = VideoTarget(320, 192, 30, 1_000_000, 60)


class FakeSender:
    def __init__(self):
        self.leases = 0

    def lease(self):
        self.leases += 1
        return self.leases


class ScriptedLine:
    """A line that does what the test says in each step, and notes every order with its thread."""

    def __init__(self, steps=None):
        self.calls = queue.SimpleQueue()
        self.steps = steps or (lambda: PublishStep(float("inf")))
        self.on_left = None
        self.closed = threading.Event()
        self.cancelled = threading.Event()
        self.attachments = []
        self.counters = LineCounters(0, 0, 0, 0, 0, 0)

    def step(self, now):
        self.calls.put("step")
        return self.steps()

    def attach(self, sender, lease, on_left):
        self.attachments.append((sender, lease))
        self.on_left = on_left
        self.calls.put("attach")

    def want(self, *, wanted):
        self.calls.put(f"want {wanted}")

    def cancel(self):
        self.cancelled.set()

    def close(self):
        self.closed.set()

    def __getattr__(self, name):
        if name not in ("detach", "pause", "resume", "force_idr", "retarget"):
            raise AttributeError(name)
        return lambda *arguments: self.calls.put(" ".join([name, *map(str, arguments)]))

    def next_call(self, but="step"):
        while True:
            call = self.calls.get(timeout=DEADLINE_S)
            if call != but:
                return call


class Desk:
    """A worker whose lines are scripted."""

    def __init__(self):
        self.news = queue.SimpleQueue()
        self.lines = []
        self.offers = None
        self.worker = PublishWorker(SystemClock(), self.news.put, self._make)

    def _make(self, request, target, audio):
        return self.lines[-1], self.offers

    def start(self, source, line=None, offers=None):
        self.offers = offers
        self.lines.append(line or ScriptedLine())
        self.worker.start(source, None, TARGET)
        return self.lines[-1]

    def next_news(self):
        return self.news.get(timeout=DEADLINE_S)


@pytest.fixture
def desk():
    desk = Desk()
    yield desk
    desk.worker.stop()
    for line in desk.lines:
        assert line.closed.wait(DEADLINE_S), "every source is closed in the end"


def test_orders_are_carried_out_in_order_on_the_workers_thread(desk):
    line = desk.start(1)
    worker = desk.worker
    worker.pause()
    worker.resume()
    worker.want(wanted=False)
    worker.retarget("target")
    worker.attach(3, FakeSender())
    worker.detach()
    calls = [line.next_call() for _ in range(6)]
    assert calls == ["pause", "resume", "want False", "retarget target", "attach", "detach"]


def test_a_source_takes_over_the_connection_and_the_wants_that_are_there(desk):
    sender = FakeSender()
    desk.worker.attach(3, sender)
    desk.worker.want(wanted=False)
    line = desk.start(1)
    assert [line.next_call(), line.next_call()] == ["want False", "attach"]
    assert line.attachments == [(sender, 1)]


def test_started_is_told_once_for_each_connection(desk):
    line = desk.start(7)
    for attempt in (3, 4):
        desk.worker.attach(attempt, FakeSender())
        assert line.next_call() == "attach"
        for _ in range(3):
            line.on_left()
        assert desk.next_news() == PublishStarted(source=7, attempt=attempt)
    assert desk.news.empty()


def test_the_end_of_a_source_is_told_once_and_closes_it(desk):
    line = desk.start(7, ScriptedLine(lambda: PublishStep(0.0, ended=True)))
    assert desk.next_news() == PublishEnded(source=7)
    assert line.closed.is_set()
    desk.worker.stop()
    assert desk.news.empty()


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (CodecError("no picture"), "no picture"),
        (CodecError(), "codec_error"),
        (ValueError("secret"), "the publisher failed"),
        (BaseException("panic"), "the publisher failed"),
    ],
)
def test_a_failure_is_told_with_a_reason_that_is_fit_to_be_told(desk, failure, reason):
    def fail():
        raise failure

    line = desk.start(7, ScriptedLine(fail))
    assert desk.next_news() == PublishFailed(source=7, reason=reason)
    assert line.closed.is_set()


def test_a_stopped_source_tells_nothing_more(desk):
    line = desk.start(7)
    assert line.next_call(but=None) == "step"
    desk.worker.stop()
    desk.worker.stop()
    line.on_left = line.on_left or (lambda: None)
    assert line.closed.wait(DEADLINE_S)
    assert line.cancelled.is_set()
    assert desk.news.empty()


def test_a_source_that_hangs_does_not_hold_up_the_next_and_is_closed_when_it_returns(desk):
    hanging, release = threading.Event(), threading.Event()

    def hang():
        hanging.set()
        release.wait(DEADLINE_S)
        return PublishStep(0.0)

    stuck = desk.start(1, ScriptedLine(hang))
    assert hanging.wait(DEADLINE_S)
    line = desk.start(2, ScriptedLine(lambda: PublishStep(0.0, ended=True)))
    assert desk.next_news() == PublishEnded(source=2)
    assert stuck.cancelled.is_set()
    assert not stuck.closed.is_set()
    release.set()
    assert stuck.closed.wait(DEADLINE_S)
    assert line.closed.is_set()


def test_viewers_who_ask_for_key_frames_of_a_source_that_hangs_leave_nothing_behind_but_their_wish(desk):
    hanging, release = threading.Event(), threading.Event()

    def hang():
        hanging.set()
        release.wait(DEADLINE_S)
        return PublishStep(float("inf"))

    line = desk.start(1, ScriptedLine(hang))
    assert hanging.wait(DEADLINE_S)
    for _ in range(1_000):
        desk.worker.force_idr()
    assert not desk.worker._run._orders
    assert line.next_call() == "force_idr"
    release.set()


def test_the_log_says_what_became_of_the_pictures_of_a_source_that_is_over(desk, caplog):
    caplog.set_level("INFO", "clankvox.publish")
    line = ScriptedLine(lambda: PublishStep(0.0, ended=True))
    line.counters = LineCounters(published=5, repeated=0, skipped=2, refused=0, stalls=1, left_out=3)
    desk.start(7, line)
    assert desk.next_news() == PublishEnded(source=7)
    told = [record.fields for record in caplog.records if record.getMessage() == "published source over"]
    expected = {"published": 5, "repeated": 0, "skipped": 2, "refused": 0, "stalls": 1, "left_out": 3}
    assert told == [{"source": 7, **expected}]


def test_a_stopped_source_that_fails_tells_nothing(desk):
    hanging, release = threading.Event(), threading.Event()

    def hang_and_fail():
        hanging.set()
        release.wait(DEADLINE_S)
        raise CodecError("interrupted")

    line = desk.start(1, ScriptedLine(hang_and_fail))
    assert hanging.wait(DEADLINE_S)
    run = desk.worker._run
    desk.worker.stop()
    release.set()
    run.thread.join(DEADLINE_S)
    assert line.closed.is_set()
    assert desk.news.empty()


def test_what_is_left_of_a_stopped_source_does_not_start_anything(desk):
    line = desk.start(1)
    desk.worker.attach(3, FakeSender())
    assert line.next_call() == "attach"
    desk.worker.stop()
    line.on_left()
    assert desk.news.empty()


def test_pictures_are_for_a_source_that_takes_them(desk):
    with pytest.raises(NoPictureSource):
        desk.worker.offer_png(b"", 1)
    desk.start(1)
    with pytest.raises(NoPictureSource):
        desk.worker.offer_png(b"", 1)
    offered = []
    line = desk.start(2, offers=lambda data, at: offered.append((data, at)))
    assert line.next_call(but=None) == "step"
    desk.worker.offer_png(b"png", 5)
    assert line.next_call(but=None) == "step", "the thread looks at once"
    assert offered == [(b"png", 5)]


# --- whole, with real pictures ---


class Room:
    """Worker, line, encoder, sender and pacer as they are; datagrams end here."""

    def __init__(self, make_source):
        self.clock = SystemClock()
        self.pacer = Pacer(self.clock)
        self.pacer.start()
        self.news = queue.SimpleQueue()
        self.sealer = PacketSealer(TransportMode.AES256_GCM, bytes(32))
        self.datagrams = []
        self.arrived = threading.Condition()
        self.cipher = FrameCipher()
        self.cipher.set_gate(Gate.CLEAR)
        self.worker = PublishWorker(self.clock, self.news.put, lambda *args: self._make(make_source(), *args))
        self.attach()

    def _make(self, source, request, target, audio):
        self.source, self.line = source, PublishLine(source, target, audio)
        return self.line, getattr(source, "offer", None)

    def attach(self, attempt=1):
        path = VideoPath(
            ssrc=SSRC, rtx_ssrc=RTX_SSRC, sealer=self.sealer, cipher=self.cipher, pacer=self.pacer, transmit=self._take
        )
        self.worker.attach(attempt, VideoSender(path, Random(1)))

    def _take(self, datagram):
        with self.arrived:
            self.datagrams.append(datagram)
            self.arrived.notify_all()

    def wait_units(self, count):
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.units()) >= count, DEADLINE_S)

    def units(self):
        units, part = [], b""
        for datagram in list(self.datagrams):
            header = parse_header(datagram)
            part += depacketise(strip(header, self.sealer.open(datagram, header.clear_bytes))).data
            if header.marker:
                units.append(part)
                part = b""
        return units

    def shown(self):
        return [index_of(luma(frame)) for frame in decoded(self.units())]

    def close(self):
        self.worker.stop()
        self.pacer.stop()


@pytest.fixture
def room(request):
    room = Room(request.param)
    yield room
    room.close()


def a_film():
    return ContainerPictures(FileOpener(film(pictures=30)), with_sound=False)


@pytest.mark.parametrize("room", [a_film], indirect=True)
def test_a_film_is_sent_whole_and_its_news_come_in_order(room):
    room.worker.start(1, None, TARGET)
    assert room.news.get(timeout=DEADLINE_S) == PublishStarted(source=1, attempt=1)
    assert room.news.get(timeout=DEADLINE_S) == PublishEnded(source=1)
    assert room.shown()[-1] == 29
    counters = room.line.counters
    assert counters.published - counters.repeated + counters.skipped == 30, "a busy machine may skip some"
    assert len(room.shown()) == counters.published


@pytest.mark.parametrize("room", [BrowserPictures], indirect=True)
def test_pictures_of_the_parent_are_sent_as_they_come(room):
    room.worker.start(1, None, TARGET)
    for index in range(3):
        room.worker.offer_png(png_of(av_frame(index)), 1_000 + 100 * index)
        room.wait_units(index + 1)
    with pytest.raises(PngRefused):
        room.worker.offer_png(png(16_384, 16_384, data=b"x"), 2_000)
    assert room.shown()[:3] == sorted(room.shown()[:3])
    room.wait_units(5)
    assert room.shown()[-1] == 2, "the last picture stands, and is sent again"


@pytest.mark.parametrize("room", [a_film], indirect=True)
def test_a_new_connection_gets_the_rest_of_the_source_and_its_own_start(room):
    room.worker.start(1, None, TARGET)
    room.wait_units(5)
    room.worker.detach()
    room.attach(attempt=2)
    told = [room.news.get(timeout=DEADLINE_S) for _ in range(3)]
    assert told == [
        PublishStarted(source=1, attempt=1),
        PublishStarted(source=1, attempt=2),
        PublishEnded(source=1),
    ]


def broken_film():
    class Opener(FileOpener):
        def open(self):
            raise av.error.InvalidDataError(1, "no", "https://host/?token=secret")

    return ContainerPictures(Opener(None), with_sound=False)


@pytest.mark.parametrize("room", [broken_film], indirect=True)
def test_a_film_that_cannot_be_opened_fails_without_its_address(room):
    room.worker.start(1, None, TARGET)
    failed = room.news.get(timeout=DEADLINE_S)
    assert isinstance(failed, PublishFailed)
    assert "secret" not in failed.reason
