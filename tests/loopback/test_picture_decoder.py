import queue

import av
import numpy as np
import pytest

from clankvox.clock import SystemClock
from clankvox.loopback.clock_picture import ClockPicture, Stamp
from clankvox.loopback.picture_decoder import Job, PictureDecoder, luma_of, write_picture
from clankvox.loopback.picture_encoder import PictureEncoder, VideoSettings

WAIT_S = 10.0
PATTERN = ClockPicture(320, 180)


def pictures(codec, count=6):
    encoder = PictureEncoder(VideoSettings(codec=codec, width=320, height=180))
    return [encoder.encode(PATTERN.draw(Stamp(index, 9)), key=False).data for index in range(count)]


@pytest.fixture
def decoder(tmp_path):
    made = PictureDecoder(SystemClock(), (found := queue.SimpleQueue()).put, tmp_path, 3)
    made.found = found
    yield made
    made.end()


@pytest.mark.parametrize("codec", ["H264", "VP8"])
def test_pictures_are_decoded_in_order_and_their_clock_is_read(decoder, codec, tmp_path):
    for data in pictures(codec):
        assert decoder.submit(Job(7, codec, data))
    results = [decoder.found.get(timeout=WAIT_S) for _ in range(6)]
    assert [result.stamp for result in results] == [Stamp(index, 9) for index in range(6)]
    assert {(result.stream, result.size) for result in results} == {(7, (320, 180))}
    decoder.end()
    decoder._thread.join(WAIT_S)
    assert sorted(path.name for path in tmp_path.glob("*.png")) == ["7-000001.png", "7-000004.png"]
    assert (decoder.last(7).width, decoder.unwritten) == (320, 0)


def test_what_does_not_decode_is_told_and_the_next_key_frame_goes(decoder):
    decoder.submit(Job(7, "H264", b"\0\0\0\1\x65garbage"))
    assert decoder.found.get(timeout=WAIT_S).size is None
    decoder.submit(Job(7, "H264", pictures("H264", 1)[0]))
    assert decoder.found.get(timeout=WAIT_S).stamp == Stamp(0, 9)


def test_too_many_jobs_are_refused(decoder):
    decoder._thread = object()  # nobody takes them
    accepted = [decoder.submit(Job(7, "H264", b"")) for _ in range(70)]
    assert accepted == [True] * 60 + [False] * 10
    decoder._thread = None


def test_planes_are_written_exactly_and_png_nearly(tmp_path):
    planes = PATTERN.draw(Stamp(1, 2))
    frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
    assert np.array_equal(luma_of(frame), planes[:180])
    write_picture(frame, tmp_path / "one.npz")
    assert np.array_equal(np.load(tmp_path / "one.npz")["planes"], planes)
    write_picture(frame, tmp_path / "one.png")
    with av.open(str(tmp_path / "one.png")) as container:
        luma = next(container.decode(video=0)).reformat(format="yuv420p").to_ndarray()[:180]
    full_range = np.clip((planes[:180].astype(float) - 16) * 255 / 219, 0, 255)
    assert np.median(np.abs(luma - full_range)) < 3
