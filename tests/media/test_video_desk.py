from clankvox.media.picture_maker import PictureMaker
from clankvox.media.video_desk import VideoDesk
from clankvox.media.watch_list import RemoteStream
from tests.support.hearing import ALICE
from tests.support.watching import RTX_SSRC, VIDEO_SSRC, WISH, Eyes


def test_both_halves_of_the_path_take_note_and_the_udp_thread_is_woken_after_that():
    eyes, woken = Eyes(clear=True), []
    maker = PictureMaker(None, None)
    desk = VideoDesk(eyes.pipeline, maker, lambda: woken.append(eyes.pipeline.poll(eyes.now)))
    desk.watch((RemoteStream(ALICE, VIDEO_SSRC, RTX_SSRC, None, None, WISH),))
    assert len(woken) == 1
    assert eyes.totals.plis == 1
    assert maker._wishes == {VIDEO_SSRC: WISH}
