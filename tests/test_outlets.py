"""What was heard and seen becomes frames for the parent."""

import json

import pytest

from clankvox.audio_lane import AUDIO_STREAM_MS
from clankvox.demo.parent import UserAudio
from clankvox.ids import Role
from clankvox.media.change_score import ChangeScore
from clankvox.media.picture_maker import DecodedPicture
from clankvox.media.receive_ports import Origin, Timing
from clankvox.media.signal_meter import Signal
from clankvox.media.video_ports import AccessUnit
from clankvox.outbox import Outbox
from clankvox.outlets import PcmOutlet, PictureOutlet
from clankvox.wire.video_codec import VideoCodec
from tests.support.process_call import frames_of

PCM = bytes(range(200)) * 2


def put(outlet, capture_id=None, pcm=PCM, timing=None, duration_ms=20.0):
    return outlet.user_audio(
        42, capture_id, memoryview(bytearray(pcm)), Signal(7, 1, len(pcm) // 2), duration_ms, timing
    )


@pytest.mark.parametrize("capture_id", [None, "k1"])
def test_captured_pcm_gets_the_header_form_of_its_capture(capture_id):
    outbox = Outbox()
    assert put(PcmOutlet(outbox), capture_id)
    (piece,) = frames_of(bytes(outbox.take(0.0)))
    assert isinstance(piece, UserAudio)
    assert (piece.user_id, piece.capture_id, piece.pcm) == (42, capture_id, PCM)
    assert (piece.peak, piece.active_samples, piece.samples) == (7, 1, 200)


def test_pcm_that_no_frame_or_no_lane_can_carry_is_refused():
    outbox = Outbox()
    outlet = PcmOutlet(outbox)
    assert not put(outlet, pcm=bytes(32 * 1024 * 1024))
    assert put(outlet, duration_ms=AUDIO_STREAM_MS)
    assert not put(outlet)
    assert put(outlet, "another stream")


def test_pcm_whose_capture_asked_for_its_timing_carries_it():
    outbox = Outbox()
    timing = Timing(origin=Origin.RECEIVED, media_time=48_000, arrival=49_000, duration_ticks=960)
    assert put(PcmOutlet(outbox), timing=timing)
    plain = Outbox()
    put(PcmOutlet(plain))
    assert len(outbox.take(0.0)) > len(plain.take(0.0))


def test_the_same_user_on_two_roles_has_two_lanes():
    outbox = Outbox()
    assert put(PcmOutlet(outbox), duration_ms=AUDIO_STREAM_MS)
    assert put(PcmOutlet(outbox, Role.STREAM_WATCH))


def picture(jpeg=b"jpeg"):
    return DecodedPicture(
        role=Role.STREAM_WATCH,
        user_id=42,
        ssrc=20,
        width=1280,
        height=720,
        jpeg=jpeg,
        rtp_timestamp=90_000,
        stream_type="screen",
        rid="100",
        change=ChangeScore(0.123456, 0.5, is_scene_cut=False),
    )


def test_a_picture_is_told_in_the_union_of_what_parents_read():
    outbox = Outbox()
    PictureOutlet(outbox).picture(picture())
    assert json.loads(bytes(outbox.take(0.0))[5:]) == {
        "type": "decoded_video_frame",
        "role": "stream_watch",
        "userId": "42",
        "ssrc": 20,
        "width": 1280,
        "height": 720,
        "jpegBase64": "anBlZw==",
        "rtpTimestamp": 90_000,
        "streamType": "screen",
        "rid": "100",
        "changeScore": 0.1235,
        "emaChangeScore": 0.5,
        "isSceneCut": False,
    }


def test_a_compressed_picture_says_whether_it_was_encrypted():
    outbox = Outbox()
    unit = AccessUnit(Role.VOICE, 1, 42, 20, VideoCodec.VP8, True, 444, b"\0\0\0", 0.0, True)
    PictureOutlet(outbox).compressed(unit)
    told = json.loads(bytes(outbox.take(0.0))[5:])
    assert told["type"] == "user_video_frame"
    assert (told["codec"], told["keyframe"], told["daveDecrypted"], told["frameBase64"]) == ("VP8", True, True, "AAAA")


def test_a_picture_that_no_frame_can_carry_is_counted():
    outlet = PictureOutlet(Outbox())
    outlet.picture(picture(bytes(26 * 1024 * 1024)))
    assert outlet.too_large == 1
