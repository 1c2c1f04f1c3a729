"""One thread for the pictures of a role: order, drops, ends, failures."""

import threading

import pytest

from clankvox.ids import Attempt, Role, Ssrc, UserId
from clankvox.loopback.discord import LoopbackDiscord
from clankvox.media.decode_queue import MOST_WAITING, DecodeQueue
from clankvox.media.video_ports import AccessUnit
from clankvox.shells.video_worker import VideoWorker
from clankvox.wire.video_codec import VideoCodec
from tests.support.watch_call import WatchCall, stamps

WAIT_S = 10.0


def unit(number, ssrc=5, keyframe=False):
    return AccessUnit(
        Role.VOICE, Attempt(1), UserId(2), Ssrc(ssrc), VideoCodec.H264, keyframe, number, b"", 0.0, dave_decrypted=True
    )


class Maker:
    """Notes what it is told; waits within unit 0 until `go` is set."""

    def __init__(self):
        self.done, self.entered, self.go, self.enough = [], threading.Event(), threading.Event(), threading.Event()
        self.last = None
        self.failing = set()

    def make(self, made):
        self.entered.set()
        if made.rtp_timestamp == 0:
            assert self.go.wait(WAIT_S)
        if made.rtp_timestamp in self.failing:
            raise ValueError("no picture")
        self._note(made.rtp_timestamp)

    def forget(self, ssrc):
        self._note(("forget", ssrc))

    def _note(self, what):
        self.done.append(what)
        if what == self.last:
            self.enough.set()

    def wait_for(self, what):
        self.last = what
        assert what in self.done or self.enough.wait(WAIT_S)


@pytest.fixture
def made():
    maker = Maker()
    queue = DecodeQueue()
    worker = VideoWorker(Role.STREAM_WATCH, queue, maker)
    worker.start()
    yield worker, queue, maker
    maker.go.set()
    worker.close()
    worker._thread.join(WAIT_S)
    assert not worker._thread.is_alive()


def busy(worker, maker):
    assert worker.access_unit(unit(0, ssrc=9, keyframe=True))
    assert maker.entered.wait(WAIT_S)


def test_units_are_made_in_order_on_a_thread_of_their_own(made):
    worker, _, maker = made
    busy(worker, maker)
    for number in range(1, 6):
        assert worker.access_unit(unit(number))
    maker.go.set()
    maker.wait_for(5)
    assert maker.done == [0, 1, 2, 3, 4, 5]
    assert worker._thread.name == "video-stream_watch"


def test_a_slow_maker_costs_units_and_never_time(made):
    worker, queue, maker = made
    busy(worker, maker)
    answers = [worker.access_unit(unit(number)) for number in range(1, MOST_WAITING + 2)]
    assert answers == [True] * MOST_WAITING + [False]
    assert queue.dropped == MOST_WAITING + 1
    worker.access_unit(unit(77, keyframe=True))
    maker.go.set()
    maker.wait_for(77)
    assert maker.done == [0, 77]


def test_a_stream_that_ended_is_forgotten_before_anything_newer_is_made(made):
    worker, _, maker = made
    busy(worker, maker)
    worker.access_unit(unit(1))
    worker.stream_ended(Ssrc(5))
    worker.access_unit(unit(2, keyframe=True))
    maker.go.set()
    maker.wait_for(2)
    assert maker.done == [0, ("forget", 5), 2]


def test_the_end_of_a_stream_is_told_without_another_unit(made):
    worker, _, maker = made
    worker.stream_ended(Ssrc(5))
    maker.wait_for(("forget", 5))


def test_a_failure_costs_one_picture_and_is_logged_once(made, caplog):
    worker, _, maker = made
    maker.failing = {1, 2}
    for number in range(1, 4):
        worker.access_unit(unit(number))
    maker.wait_for(3)
    assert (worker.failures, maker.done) == (2, [3])
    assert len(caplog.records) == 1


def test_nothing_is_made_after_the_end(made):
    worker, queue, maker = made
    worker.close()
    worker.close()
    assert worker.access_unit(unit(1))
    assert (len(queue), maker.done) == (0, [])


def test_a_worker_that_never_started_can_be_closed():
    VideoWorker(Role.VOICE, DecodeQueue(), Maker()).close()


# --- the whole path, against the offline Discord ---


@pytest.fixture
def discord():
    with LoopbackDiscord(tls=False) as running:
        yield running


def publish(discord, user=2, **fields):
    options = {"width": 320, "height": 180, "fps": 30, "gop": 3000, **fields}
    discord.command({"type": "add_publisher", "userId": str(user), "serverId": "5", "channelId": "6", **options})


def counters_of(pictures):
    read = stamps(pictures)
    assert None not in read
    return [stamp.counter for stamp in read]


@pytest.mark.parametrize(("codec", "library"), [("H264", "davey"), ("H264", "libdave"), ("VP8", "davey")])
def test_every_picture_of_a_publisher_is_seen_and_its_clock_can_be_read(discord, codec, library):
    discord.command({"type": "sfu", "stapA": True})
    publish(discord, codec=codec, library=library)
    with WatchCall(discord) as call:
        call.wait_ready()
        call.start().watch(2)
        counters = counters_of(call.wait_pictures(30))
        missing = counters[-1] - counters[0] + 1 - len(counters)
        assert missing == 0 or call.queue.dropped
        assert call.video.totals.dave_decrypt_fail == 0
        assert {(picture.user_id, picture.width, picture.height) for picture in call.pictures} == {(2, 320, 180)}


def test_lost_packets_come_back_by_rtx_and_no_picture_is_missing(discord):
    publish(discord, bitRate=3_000_000)
    with WatchCall(discord) as call:
        call.wait_ready()
        call.start().watch(2)
        call.wait_pictures(3)
        discord.command({"type": "impair", "userId": "1", "loss": 0.03, "reorder": 0.02, "duplicate": 0.01, "seed": 4})
        counters = counters_of(call.wait_pictures(75))
        totals = call.video.totals
        assert totals.rtx_recovered > 0
        missing = counters[-1] - counters[0] + 1 - len(counters)
        assert missing == 0 or totals.lost or call.queue.dropped
        assert counters == sorted(set(counters))


def test_without_nack_answers_pictures_come_back_by_key_frames(discord):
    discord.command({"type": "sfu", "nack": False})
    publish(discord, answersNack=False)
    with WatchCall(discord) as call:
        call.wait_ready()
        call.start().watch(2)
        call.wait_pictures(3)
        discord.command({"type": "impair", "userId": "1", "direction": "down", "loss": 0.05, "seed": 2})
        counters = counters_of(call.wait_pictures(60))
        assert counters == sorted(set(counters))
        assert call.video.totals.lost > 0
        assert discord.stats(2)["publisher"]["plis"] > 1


def test_the_size_of_a_running_stream_may_change(discord):
    publish(discord)
    with WatchCall(discord) as call:
        call.wait_ready()
        call.start().watch(2)
        call.wait_pictures(5)
        discord.command({"type": "resize", "userId": "2", "width": 640, "height": 360})
        while call.pictures[-1].width != 640:
            call.wait_pictures(len(call.pictures) + 1)
        counters_of(call.pictures)
        assert call.maker.totals.decode_errors == 0
