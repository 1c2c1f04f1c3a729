import pytest

from clankvox.loopback.discord import LoopbackDiscord
from clankvox.media.picture_maker import PictureMaker
from clankvox.media.video_desk import VideoDesk
from clankvox.media.watch_list import RemoteStream
from tests.support.hearing import ALICE
from tests.support.watch_call import WatchCall, stamps
from tests.support.watching import RTX_SSRC, VIDEO_SSRC, WISH, Eyes


def test_both_halves_of_the_path_take_note_and_the_udp_thread_is_woken_after_that():
    eyes, woken = Eyes(clear=True), []
    maker = PictureMaker(None, None)
    desk = VideoDesk(eyes.pipeline, maker, lambda: woken.append(eyes.pipeline.poll(eyes.now)))
    desk.watch((RemoteStream(ALICE, VIDEO_SSRC, RTX_SSRC, None, None, WISH),))
    assert len(woken) == 1
    assert eyes.totals.plis == 1
    assert maker._wishes == {VIDEO_SSRC: WISH}


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
        counters = counters_of(call.wait_pictures(45))
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
        counters = counters_of(call.wait_pictures(120))
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
        counters = counters_of(call.wait_pictures(90))
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
