"""Each mode draws moving pictures of the sound, at the right size, rate and time."""

import itertools
from fractions import Fraction

import av
import numpy as np
import pytest

from clankvox.media.picture_source import Pulled, SourceFailed, TimedPicture, TimedSound
from clankvox.media.visualizer import VisualizerMode, VisualizerPictures
from tests.support.published import film, luma
from tests.support.scripted_source import FileOpener


@pytest.fixture(scope="module")
def music(tmp_path_factory):
    path = tmp_path_factory.mktemp("music") / "sweep.flac"
    at = np.arange(2 * 44_100) / 44_100
    left, right = np.sin(2 * np.pi * (200 + 900 * at) * at), np.sin(2 * np.pi * 330 * at)
    pcm = (np.stack([left, right], axis=1) * 12_000).astype(np.int16).reshape(1, -1)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("flac", rate=44_100, layout="stereo")
        stream.format = "s16"
        for start in range(0, pcm.shape[1], 2 * 4_096):
            part = np.ascontiguousarray(pcm[:, start : start + 2 * 4_096])
            frame = av.AudioFrame.from_ndarray(part, format="s16", layout="stereo")
            frame.sample_rate, frame.pts = 44_100, start // 2
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def pull_all(source):
    items = []
    while (item := source.pull()) is not Pulled.ENDED:
        items.append(item)
    source.close()
    return items


@pytest.mark.parametrize("mode", list(VisualizerMode))
def test_every_mode_draws_the_sound(mode, music):
    source = VisualizerPictures(FileOpener(music), mode, width=320, height=180, fps=30, with_sound=False)
    pictures = pull_all(source)
    assert all(isinstance(item, TimedPicture) for item in pictures)
    assert {(item.picture.width, item.picture.height, item.picture.format.name) for item in pictures} == {
        (320, 180, "yuv420p")
    }
    assert 50 <= len(pictures) <= 61, "30 a second for two seconds"
    steps = np.diff([item.media_time_s for item in pictures])
    assert np.allclose(steps, 1 / 30, atol=1e-3)
    planes = [luma(item.picture).astype(int) for item in pictures[20:]]
    assert max(plane.std() for plane in planes) > 3, "not an empty picture"
    assert max(np.abs(later - earlier).mean() for earlier, later in itertools.pairwise(planes)) > 0.2


def test_sound_comes_with_the_pictures_that_show_it(music):
    source = VisualizerPictures(FileOpener(music), VisualizerMode.WAVES, width=320, height=180, fps=30, with_sound=True)
    items = pull_all(source)
    heard_s = shown_s = 0.0
    for item in items:
        if isinstance(item, TimedSound):
            heard_s = item.media_time_s + len(item.pcm) / 48_000
        else:
            shown_s = item.media_time_s
            assert shown_s <= heard_s + 0.1
    assert heard_s == pytest.approx(2.0, abs=0.02)
    assert shown_s == pytest.approx(2.0, abs=0.15)


def test_an_unknown_mode_is_cqt():
    assert VisualizerMode.of("fireworks") is VisualizerMode.CQT
    assert VisualizerMode.of("waves") is VisualizerMode.WAVES


def test_a_silent_film_cannot_be_drawn():
    source = VisualizerPictures(
        FileOpener(film(pictures=5)), VisualizerMode.CQT, width=320, height=180, fps=30, with_sound=False
    )
    with pytest.raises(SourceFailed, match="no sound"):
        source.pull()
    source.close()


def test_sound_that_broke_off_is_a_failure(music):
    opener = FileOpener(music, whole=False)
    source = VisualizerPictures(opener, VisualizerMode.CQT, width=64, height=36, fps=5, with_sound=False)
    with pytest.raises(SourceFailed, match="broke off"):
        pull_all(source)
    source.interrupt()
    assert opener.interrupted == 1


@pytest.mark.parametrize("begins_s", [5, 25])
def test_behind_a_gap_in_the_sound_pictures_still_show_what_is_heard(tmp_path, begins_s):
    with av.open(str(tmp_path / "gap.mkv"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=48_000, layout="stereo")
        for second in (0, 1, begins_s, begins_s + 1):
            frame = av.AudioFrame.from_ndarray(np.ones((1, 96_000), np.int16), format="s16", layout="stereo")
            frame.sample_rate, frame.pts, frame.time_base = 48_000, second * 48_000, Fraction(1, 48_000)
            container.mux(stream.encode(frame))
    opener = FileOpener(tmp_path / "gap.mkv")
    items = pull_all(VisualizerPictures(opener, VisualizerMode.WAVES, width=320, height=180, fps=30, with_sound=True))
    last_heard_s = next(item.media_time_s for item in reversed(items) if isinstance(item, TimedSound))
    last_shown_s = next(item.media_time_s for item in reversed(items) if isinstance(item, TimedPicture))
    assert last_heard_s > begins_s + 0.9
    assert last_shown_s == pytest.approx(begins_s + 2.0, abs=0.15)
