from fractions import Fraction

import av
import numpy as np
import pytest

from clankvox.errors import InvalidRequest
from clankvox.loopback.clock_picture import Stamp, read_clock
from clankvox.loopback.film import LiveFilm, ReplayedFilm, open_film
from clankvox.loopback.picture_decoder import luma_of
from clankvox.loopback.picture_encoder import VideoSettings

SETTINGS = VideoSettings(width=320, height=180, fps=10, gop=100)


def decoded(shown):
    context = av.CodecContext.create("h264", "r")
    context.thread_count = 1
    return [frame for one in shown for frame in context.decode(av.Packet(one.data))]


def write_video(path, pictures=4, size=(96, 96)):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for index in range(pictures):
            frame = av.VideoFrame.from_ndarray(np.full((size[1] * 3 // 2, size[0]), 200, np.uint8), format="yuv420p")
            frame.pts, frame.time_base = index, Fraction(1, 10)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def test_a_live_film_shows_the_stamp_that_it_is_given():
    film = LiveFilm(SETTINGS)
    stamps = [Stamp(index, 5000 + index * 100) for index in range(3)]
    frames = decoded([film.next(stamp, key=False) for stamp in stamps])
    assert [read_clock(luma_of(frame)) for frame in frames] == stamps


def test_a_replayed_film_repeats_its_clip_and_begins_anew_for_a_key_frame():
    film = ReplayedFilm(SETTINGS)
    shown = [film.next(Stamp(index, 0), key=index == 5) for index in range(30)]
    assert [index for index, one in enumerate(shown) if one.key] == [0, 5, 25]
    assert shown[0] is ReplayedFilm(SETTINGS).next(Stamp(9, 9), key=False)


def test_a_file_is_shown_over_and_over_with_black_bars_and_the_clock(tmp_path):
    film = LiveFilm(SETTINGS, write_video(tmp_path / "film.mp4"))
    frames = decoded([film.next(Stamp(index, 1000), key=False) for index in range(10)])
    assert [read_clock(luma_of(frame)) for frame in frames] == [Stamp(index, 1000) for index in range(10)]
    luma = luma_of(frames[9])
    assert luma[90, 20] < 40
    assert luma[90, 160] == pytest.approx(200, abs=8)


@pytest.mark.parametrize("name", ["missing.mp4", "sound.txt"])
def test_what_is_no_video_is_refused(tmp_path, name):
    (tmp_path / "sound.txt").write_text("no video")
    with pytest.raises(InvalidRequest):
        open_film(SETTINGS, tmp_path / name, clock=True)


def test_the_kind_of_film_follows_from_the_order():
    assert isinstance(open_film(SETTINGS, None, clock=False), ReplayedFilm)
    assert isinstance(open_film(SETTINGS, None, clock=True), LiveFilm)
    with pytest.raises(InvalidRequest):
        open_film(VideoSettings(width=100, height=50), None, clock=True)
