"""Films give pictures with their times, and what is no film gives a reason."""

from fractions import Fraction

import av
import numpy as np
import pytest

from clankvox.media.container_pictures import ContainerPictures
from clankvox.media.picture_source import Pulled, SourceFailed, TimedPicture, TimedSound
from tests.support.coded_video import index_of
from tests.support.published import film, luma, write_film
from tests.support.scripted_source import FileOpener


def pull_all(source):
    items = []
    while (item := source.pull()) is not Pulled.ENDED:
        items.append(item)
    assert source.pull() is Pulled.ENDED
    source.close()
    return items


def test_every_picture_comes_once_in_order_with_its_time():
    items = pull_all(ContainerPictures(FileOpener(film(pictures=40, rate=25)), with_sound=False))
    assert [index_of(luma(item.picture)) for item in items] == list(range(40))
    assert [item.media_time_s - items[0].media_time_s for item in items] == pytest.approx(
        [index / 25 for index in range(40)], abs=1e-3
    )


def test_sound_comes_with_the_pictures_if_it_is_wanted():
    source = ContainerPictures(FileOpener(film(pictures=60, sound=True)), with_sound=True)
    items = pull_all(source)
    sounds = [item for item in items if isinstance(item, TimedSound)]
    pictures = [item for item in items if isinstance(item, TimedPicture)]
    assert source.has_sound
    assert sum(len(sound.pcm) for sound in sounds) == pytest.approx(2 * 48_000, abs=3_000)
    loud = [
        sound.media_time_s + np.flatnonzero(np.abs(sound.pcm[:, 0]) > 6_000)[0] / 48_000
        for sound in sounds
        if np.abs(sound.pcm).max() > 6_000
    ]
    begins = [at for at, before in zip(loud, [-1.0, *loud], strict=False) if at - before > 0.5]
    assert [at - pictures[0].media_time_s for at in begins] == pytest.approx([0.0, 1.0], abs=0.03), "clicks at seconds"


@pytest.mark.parametrize("begins_s", [1, 400, 95_443])
def test_where_the_clock_of_a_stream_jumps_sound_stays_with_its_picture(tmp_path, begins_s):
    """As where an HLS playlist has a discontinuity, or a transport stream wraps."""
    parts = [write_film(tmp_path / f"{at}.ts", pictures=60, sound=True, begins_s=at) for at in (300, begins_s)]
    (tmp_path / "joined.ts").write_bytes(b"".join(part.read_bytes() for part in parts))
    items = pull_all(ContainerPictures(FileOpener(tmp_path / "joined.ts"), with_sound=True))
    pictures = [item.media_time_s for item in items if isinstance(item, TimedPicture)]
    sounds = [item for item in items if isinstance(item, TimedSound)]
    assert pictures[-1] - pictures[0] == pytest.approx(4, abs=0.15)
    assert sounds[-1].media_time_s == pytest.approx(pictures[-1], abs=0.2)
    steps = np.diff([sound.media_time_s for sound in sounds])
    assert steps.min() > 0
    assert steps.max() < 0.15


@pytest.mark.parametrize("sound", [True, False], ids=["with sound", "silent"])
def test_pictures_that_stand_for_long_come_when_the_film_says(tmp_path, sound):
    """A recorded screen has a picture only where something changes."""
    path = write_film(tmp_path / "slides.mkv", pictures=4, times=[0, 15_000, 40_000, 41_000], rate=1, sound=sound)
    items = pull_all(ContainerPictures(FileOpener(path), with_sound=sound))
    assert [item.media_time_s for item in items if isinstance(item, TimedPicture)] == pytest.approx([0, 15, 40, 41])


def test_sound_that_nobody_wants_is_not_decoded():
    source = ContainerPictures(FileOpener(film(pictures=60, sound=True)), with_sound=False)
    assert all(isinstance(item, TimedPicture) for item in pull_all(source))
    assert not source.has_sound


def test_a_silent_film_has_no_sound_even_if_it_is_wanted():
    source = ContainerPictures(FileOpener(film(pictures=5)), with_sound=True)
    assert len(pull_all(source)) == 5
    assert not source.has_sound


def test_pixels_that_are_not_square_are_said_to_be(tmp_path):
    path = write_film(tmp_path / "wide.mp4", pictures=2, aspect=Fraction(4, 3))
    items = pull_all(ContainerPictures(FileOpener(path), with_sound=False))
    assert {item.pixel_aspect for item in items} == {Fraction(4, 3)}


def test_sound_without_pictures_is_no_film(tmp_path):
    with av.open(str(tmp_path / "a.wav"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=48_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 960), np.int16), format="s16", layout="mono")
        frame.sample_rate = 48_000
        container.mux(stream.encode(frame))
    source = ContainerPictures(FileOpener(tmp_path / "a.wav"), with_sound=True)
    with pytest.raises(SourceFailed, match="no video"):
        source.pull()
    source.close()


def test_what_cannot_be_opened_fails_without_its_name(tmp_path):
    secret = tmp_path / "token=abc.html"
    secret.write_text("<html>" * 100)
    for path in (secret, tmp_path / "token=abc.missing"):
        source = ContainerPictures(FileOpener(path), with_sound=False)
        with pytest.raises(SourceFailed) as failure:
            source.pull()
        assert "abc" not in str(failure.value)
        source.close()


def test_a_picture_over_the_limit_is_refused_before_it_is_decoded(monkeypatch):
    monkeypatch.setattr("clankvox.media.container_pictures.MAX_PIXELS", 320 * 192 - 1)
    source = ContainerPictures(FileOpener(film(pictures=5)), with_sound=False)
    with pytest.raises(SourceFailed, match="too large: 320x192"):
        source.pull()
    source.close()


def test_a_damaged_film_gives_what_is_whole(tmp_path):
    data = bytearray(film(pictures=120, suffix=".mkv").read_bytes())
    for at in range(len(data) // 3, len(data) // 3 + 200, 7):
        data[at] ^= 0x55
    (tmp_path / "damaged.mkv").write_bytes(data)
    items = pull_all(ContainerPictures(FileOpener(tmp_path / "damaged.mkv"), with_sound=False))
    assert 20 < len(items) <= 120


def test_a_packet_that_is_none_is_left_out_and_counted(tmp_path):
    with av.open(str(tmp_path / "rubbish.mov"), "w") as container:
        stream = container.add_stream("png", rate=30)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "rgb24"
        for index in range(6):
            frame = av.VideoFrame(64, 64, "rgb24")
            frame.pts = index
            for packet in stream.encode(frame):
                rubbish = av.Packet(b"rubbish")
                rubbish.stream, rubbish.pts, rubbish.dts, rubbish.time_base = stream, index, index, packet.time_base
                container.mux(rubbish if index == 3 else packet)
    source = ContainerPictures(FileOpener(tmp_path / "rubbish.mov"), with_sound=False)
    assert len(pull_all(source)) == 5
    assert source.left_out == 1


def test_closing_before_opening_and_twice_is_harmless():
    source = ContainerPictures(FileOpener(film(pictures=5)), with_sound=False)
    source.close()
    source.pull()
    source.close()
    source.close()


def test_an_end_that_came_too_early_is_a_failure_and_not_an_end():
    source = ContainerPictures(FileOpener(film(pictures=5), whole=False), with_sound=False)
    pulled = [source.pull() for _ in range(5)]
    assert all(isinstance(item, TimedPicture) for item in pulled)
    with pytest.raises(SourceFailed, match="broke off"):
        source.pull()
    source.close()


def test_an_interruption_goes_to_whoever_reads():
    opener = FileOpener(film(pictures=5))
    ContainerPictures(opener, with_sound=False).interrupt()
    assert opener.interrupted == 1
