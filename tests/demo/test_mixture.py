import numpy as np
import pytest

from clankvox.demo import mixture, sound
from tests.support.demo_call import a_plan

RATE_HZ = 48_000


def heard_mixture(plan, ducked_db, late_s=0.1):
    """Return eight seconds as a member would record them: a fade-in, an announcement after three seconds, the rest."""
    music = plan.tune.original.astype(float)
    said = sound.load(plan.said("clankvox")).astype(float)
    gain = np.interp(
        np.arange(8 * RATE_HZ) / RATE_HZ, [0, 1.5, 3, 3.15, 6, 6.3], [0, 1, 1, *[10 ** (ducked_db / 20)] * 2, 1]
    )
    heard = music[: len(gain)] * gain
    heard[3 * RATE_HZ : 3 * RATE_HZ + len(said)] += said
    return np.concatenate((np.zeros(round(late_s * RATE_HZ)), heard)).round().astype(np.int16)


@pytest.mark.parametrize("ducked_db", [0.0, -6.0, -12.0])
@pytest.mark.parametrize("late_s", [0.0, 0.1])
def test_the_gain_of_music_is_found_alone_under_speech_and_after_it(tmp_path, ducked_db, late_s):
    plan = a_plan(tmp_path)
    heard = heard_mixture(plan, ducked_db, late_s)
    gains = mixture.gains_db(plan.tune.original, sound.load(plan.said("clankvox")), heard)
    assert gains == pytest.approx((0.0, ducked_db, 0.0), abs=0.3)


def test_slots_that_a_busy_machine_missed_do_not_change_what_gain_is_found(tmp_path):
    plan = a_plan(tmp_path)
    heard = heard_mixture(plan, -12.0)
    for at_s in (1.9, 2.2, 2.5, 6.9):
        heard = np.insert(heard, round(at_s * RATE_HZ), np.zeros(RATE_HZ // 50, np.int16))
    gains = mixture.gains_db(plan.tune.original, sound.load(plan.said("clankvox")), heard)
    assert gains == pytest.approx((0.0, -12.0, 0.0), abs=0.5)


def test_the_recording_is_measured_and_drawn(tmp_path):
    plan = a_plan(tmp_path)
    sound.save_wav(plan.heard_music, heard_mixture(plan, -12.0), channels=2)
    found = mixture.measure(plan)
    assert found.under_db == pytest.approx(-12.0, abs=0.3)
    assert found.picture.read_bytes().startswith(b"\x89PNG")


def test_music_without_an_original_has_a_picture_and_no_gains(tmp_path):
    plan = a_plan(tmp_path)
    sound.save_wav(plan.heard_music, heard_mixture(plan, -12.0), channels=2)
    found = mixture.measure(plan._replace(tune=plan.tune._replace(original=None)))
    assert (found.alone_db, found.heard_s > 6, found.picture is not None) == (None, True, True)


def test_music_that_nobody_heard_has_nothing(tmp_path):
    found = mixture.measure(a_plan(tmp_path))
    assert (found.heard_s, found.alone_db, found.picture) == (0.0, None, None)


def test_an_announcement_at_the_very_beginning_leaves_no_gain_to_tell(tmp_path):
    plan = a_plan(tmp_path)
    said = sound.load(plan.said("clankvox"))
    assert mixture.gains_db(plan.tune.original, said, said) == (None, None, None)
