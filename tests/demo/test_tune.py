import av
import numpy as np
import pytest

from clankvox.demo import sound, tune
from clankvox.demo.sound import NoSound


def test_without_a_file_a_short_piece_is_made_up_and_kept_exactly(tmp_path):
    made = tune.choose(None, tmp_path)
    assert made.url == (tmp_path / "music.flac").as_uri()
    assert made.serve_arguments == ["--allow-files"]
    with av.open(str(tmp_path / "music.flac")) as container:
        stored = np.concatenate([frame.to_ndarray().reshape(-1, 2) for frame in container.decode(audio=0)])
    assert np.array_equal(stored, tune.compose())


def test_the_piece_leaves_room_for_speech_and_its_channels_differ():
    left, right = tune.compose().T.astype(float)
    assert max(abs(left).max(), abs(right).max()) == 10_000
    assert np.corrcoef(left, right)[0, 1] < 0.95


def test_a_file_is_played_and_its_beginning_is_what_can_be_compared(tmp_path):
    path = tmp_path / "my song.wav"
    sound.save_wav(path, np.full(48_000 * 30, 700, np.int16))
    chosen = tune.choose(str(path), tmp_path)
    assert chosen.url.endswith("/my%20song.wav")
    assert len(chosen.original) == tune.MUSIC_LIMIT_S * 48_000


@pytest.mark.parametrize(
    ("url", "direct"), [("https://example.com/a.mp3?x=1", True), ("https://example.com/watch?v=1", False)]
)
def test_a_url_is_media_or_a_page_and_needs_no_permission(url, direct, tmp_path):
    chosen = tune.choose(url, tmp_path)
    assert (chosen.url, chosen.direct, chosen.original, chosen.serve_arguments) == (url, direct, None, [])


def test_a_file_that_is_over_before_the_act_is_refused(tmp_path):
    path = tmp_path / "jingle.wav"
    sound.save_wav(path, np.full(48_000 * 8, 700, np.int16))
    with pytest.raises(NoSound, match="too short"):
        tune.choose(str(path), tmp_path)


def test_a_file_that_is_no_sound_is_refused(tmp_path):
    with pytest.raises(NoSound):
        tune.choose(str(tmp_path / "missing.mp3"), tmp_path)
