"""From access units to what the parent sees."""

import itertools

import pytest
import simplejpeg

from clankvox.ids import Attempt, Role, Ssrc, UserId
from clankvox.media.picture_maker import RESET_ERRORS, PictureMaker
from clankvox.media.video_ports import AccessUnit
from clankvox.media.watch_list import PictureWish, RemoteStream
from clankvox.wire.video_codec import VideoCodec
from tests.support.coded_video import access_units, index_of, psnr_db, rgb_of

ALICE, BOB = UserId(20), UserId(30)
SSRC = Ssrc(21)


class Shown:
    def __init__(self):
        self.pictures, self.frames, self.keyframes_needed = [], [], []

    def picture(self, picture):
        self.pictures.append(picture)

    def compressed(self, unit):
        self.frames.append(unit)


class Studio:
    def __init__(self, **wish):
        self.shown = Shown()
        self.maker = PictureMaker(self.shown, self.shown.keyframes_needed.append)
        self.watch(**wish)
        self.now = 10.0

    def watch(self, fps=30, quality=75, decode_vp8=True):
        wish = PictureWish(fps, quality, decode_vp8)
        self.maker.watch((RemoteStream(ALICE, SSRC, None, "screen", "100", wish),))

    def make(self, data, codec=VideoCodec.H264, attempt=1, ssrc=SSRC, user=ALICE, keyframe=False):
        self.now += 1 / 30
        self.maker.make(
            AccessUnit(
                Role.STREAM_WATCH,
                Attempt(attempt),
                user,
                ssrc,
                codec,
                keyframe,
                int(self.now * 90_000) & 0xFFFF_FFFF,
                data,
                self.now,
                True,
                "screen",
                "100",
            )
        )

    def indices(self):
        return [index_of(simplejpeg.decode_jpeg(picture.jpeg, "GRAY")[..., 0]) for picture in self.shown.pictures]


@pytest.mark.parametrize("codec", VideoCodec)
def test_a_picture_looks_like_its_source_and_says_what_it_is(codec):
    studio = Studio()
    for unit in access_units(5, codec=codec):
        studio.make(unit, codec)
    assert studio.indices() == list(range(5))
    picture = studio.shown.pictures[-1]
    assert psnr_db(simplejpeg.decode_jpeg(picture.jpeg, "RGB"), rgb_of(4)) > 28
    assert (picture.role, picture.user_id, picture.ssrc) == (Role.STREAM_WATCH, ALICE, SSRC)
    assert (picture.width, picture.height, picture.stream_type, picture.rid) == (320, 192, "screen", "100")
    assert picture.rtp_timestamp == int(studio.now * 90_000)


def test_every_picture_is_decoded_and_only_the_wanted_ones_are_encoded():
    studio = Studio(fps=2)
    for unit in access_units(60):
        studio.make(unit)
    assert studio.indices() == [0, 15, 30, 45]
    assert (studio.maker.totals.decoded, studio.maker.totals.emitted) == (60, 4)


def test_a_cut_between_two_shown_pictures_is_told_with_the_next_one():
    studio = Studio(fps=2)
    bright = access_units(1, width=640, height=360, luma=230)[0]
    dark = access_units(1, width=640, height=360, luma=20)[0]
    for unit in [bright] * 5 + [dark] * 5 + [bright] * 6:
        studio.make(unit)
    first, second = (picture.change for picture in studio.shown.pictures)
    assert (first.score, first.is_scene_cut) == (0.0, False)
    assert second.score > 0.9
    assert second.is_scene_cut
    for unit in [bright] * 20:
        studio.make(unit)
    assert studio.shown.pictures[2].change.score < 0.01


def test_quality_is_as_wished_and_may_change():
    studio = Studio(quality=95)
    units = access_units(2)
    studio.make(units[0])
    studio.watch(quality=10)
    studio.make(units[1])
    assert len(studio.shown.pictures[0].jpeg) > 2 * len(studio.shown.pictures[1].jpeg)


def test_streams_have_decoders_of_their_own():
    studio = Studio()
    wish = PictureWish(30, 75)
    studio.maker.watch(tuple(RemoteStream(user, Ssrc(user), None, None, None, wish) for user in (ALICE, BOB)))
    for one, other in zip(access_units(10), access_units(10, width=640, height=362), strict=True):
        studio.make(one, ssrc=Ssrc(ALICE))
        studio.make(other, ssrc=Ssrc(BOB), user=BOB)
    assert studio.indices() == [index for index in range(10) for _ in range(2)]
    assert [p.width for p in studio.shown.pictures[:2]] == [320, 640]


def test_a_stream_without_a_wish_is_not_decoded_and_one_that_was_not_announced_goes_by_its_user():
    studio = Studio()
    studio.make(access_units(1)[0], user=BOB, ssrc=Ssrc(9))
    assert studio.maker.totals.decoded == 0
    studio.make(access_units(1)[0], ssrc=Ssrc(9))
    assert studio.maker.totals.emitted == 1


@pytest.mark.parametrize("change", [{"attempt": 2}, {"codec": VideoCodec.VP8}])
def test_a_new_connection_or_codec_has_a_new_decoder(change):
    studio = Studio()
    for unit in access_units(3):
        studio.make(unit)
    first = studio.maker._streams[SSRC]
    studio.make(access_units(1, codec=change.get("codec", VideoCodec.H264))[0], **change)
    assert studio.maker._streams[SSRC] is not first
    assert studio.shown.pictures[-1].change.score == 0.0


def test_an_error_asks_for_a_key_frame_and_fifty_in_a_row_reset_the_decoder_once_in_five_seconds():
    studio = Studio()
    studio.make(access_units(1)[0])
    first = studio.maker._streams[SSRC].decoder
    for _ in range(RESET_ERRORS):
        studio.make(b"\0\0\0\1\x65rubbish")
    assert studio.maker.totals.resets == 0
    studio.now += 5.0
    studio.make(b"\0\0\0\1\x65rubbish")
    assert studio.maker._streams[SSRC].decoder is not first
    for _ in range(RESET_ERRORS + 5):
        studio.make(b"\0\0\0\1\x65rubbish")
    totals = studio.maker.totals
    assert (totals.resets, totals.decode_errors) == (1, 2 * RESET_ERRORS + 6)
    assert studio.shown.keyframes_needed == [SSRC] * totals.decode_errors
    studio.make(access_units(1)[0])
    assert studio.indices() == [0, 0]


def turns_of(caplog):
    return [record.message for record in caplog.records]


@pytest.mark.parametrize("codec", VideoCodec)
def test_the_first_picture_of_a_stream_that_the_parent_gets_is_logged(codec, caplog):
    caplog.set_level("INFO", "clankvox.video")
    studio = Studio(decode_vp8=False)
    for unit in access_units(3, codec=codec):
        studio.make(unit, codec, keyframe=True)
    (record,) = caplog.records
    assert record.message == "first video frame forwarded"
    assert record.fields == {"role": "stream_watch", "user_id": ALICE, "ssrc": SSRC, "codec": codec}


def test_what_does_not_decode_and_a_decoder_that_begins_anew_are_logged(caplog):
    caplog.set_level("INFO", "clankvox.video")
    studio = Studio()
    for _ in range(RESET_ERRORS):
        studio.make(b"\0\0\0\1\x65rubbish")
        studio.now += 0.2
    assert turns_of(caplog) == ["picture not decoded"] * RESET_ERRORS + ["decoder begun anew"]


def test_a_picture_that_is_too_large_is_counted_as_such():
    studio = Studio()
    key = access_units(1, codec=VideoCodec.VP8)[0]
    studio.make(key[:6] + b"\xff\x3f\xff\x3f" + key[10:], VideoCodec.VP8)
    assert (studio.maker.totals.too_large, studio.maker.totals.decode_errors) == (1, 1)


def test_a_sender_of_whom_no_key_frame_can_be_decoded_is_asked_for_another_ever_more_rarely():
    studio = Studio()
    keyframe, *deltas = access_units(4)
    good, refused = keyframe, keyframe[:40]  # what the decoder has no room for is refused as this is
    asked, answer_due = [], studio.now
    while studio.now < 610:
        comes = studio.now >= answer_due
        before = len(studio.shown.keyframes_needed)
        studio.make(refused if comes else b"\x00\x00\x00\x01\x41garbage", keyframe=comes)
        answer_due = float("inf") if comes else answer_due
        if len(studio.shown.keyframes_needed) > before and answer_due == float("inf"):
            asked.append(studio.now)
            answer_due = studio.now + 0.1
    assert len(asked) <= 17
    assert asked[1] - asked[0] < 3
    assert max(later - earlier for earlier, later in itertools.pairwise(asked)) < 61
    for unit in [good, *deltas]:
        studio.make(unit, keyframe=unit is good)
    assert len(studio.shown.pictures) == 4
    studio.shown.keyframes_needed.clear()
    studio.make(b"\x00\x00\x00\x01\x41garbage")
    assert studio.shown.keyframes_needed == [SSRC], "at once, where the decoder has lost track"


def test_parents_that_decode_vp8_themselves_get_key_frames_only_at_the_wanted_rate():
    studio = Studio(fps=2, decode_vp8=False)
    units = access_units(60, codec=VideoCodec.VP8, gop=5)
    for index, unit in enumerate(units):
        studio.make(unit, VideoCodec.VP8, keyframe=index % 5 == 0)
    assert studio.shown.pictures == []
    assert [units.index(unit.data) for unit in studio.shown.frames] == [0, 15, 30, 45]
    assert studio.maker.totals.compressed == 4


def test_the_next_key_frame_is_asked_for_once_a_second_where_deltas_go_nowhere():
    studio = Studio(fps=30, decode_vp8=False)
    units = access_units(100, codec=VideoCodec.VP8, gop=1_000)
    for index, unit in enumerate(units):
        studio.make(unit, VideoCodec.VP8, keyframe=index == 0)
    assert len(studio.shown.frames) == 1
    assert studio.shown.keyframes_needed == [SSRC] * 3


def test_a_stream_that_is_over_leaves_nothing_behind():
    studio = Studio()
    studio.make(access_units(1)[0])
    studio.maker.forget(SSRC)
    assert studio.maker._streams == {}


def test_decoders_are_bounded():
    studio = Studio()
    for number in range(40):
        studio.make(access_units(1)[0], ssrc=Ssrc(number))
    assert len(studio.maker._streams) == 16
