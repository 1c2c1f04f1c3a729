import numpy as np
import pytest

from clankvox.demo import sound
from clankvox.demo.film import Film
from clankvox.demo.plan import MEMBER_LIMIT_S, make_plan
from clankvox.demo.sound import NoSound


def a_file(path, seconds, level):
    sound.save_wav(path, np.full(int(48_000 * seconds), level, np.int16))
    return path


def test_the_shipped_phrases_differ_and_are_written_beside_the_report(tmp_path):
    plan = make_plan([], 0.0, tmp_path, tmp_path)

    first, second = plan.members
    assert not np.array_equal(first.said, second.said)
    assert all(3 < len(member.said) / 48_000 < 6 for member in plan.members)
    for member in plan.members:
        assert np.array_equal(sound.load(plan.said(member.name)), member.said)
    assert np.array_equal(sound.load(plan.said("clankvox"), 24_000), plan.reply)


def test_a_file_of_the_user_is_what_the_first_member_says(tmp_path):
    shipped = make_plan([], 0.0, tmp_path, tmp_path)

    plan = make_plan([a_file(tmp_path / "own.wav", 1, 500)], 0.0, tmp_path, tmp_path)

    assert (plan.members[0].said == 500).all()
    assert np.array_equal(plan.members[1].said, shipped.members[1].said)


def test_two_files_of_the_user_are_what_both_say(tmp_path):
    files = [a_file(tmp_path / "a.wav", 1, 500), a_file(tmp_path / "b.wav", 1, 900)]

    assert [member.said[0] for member in make_plan(files, 0.0, tmp_path, tmp_path).members] == [500, 900]


def test_a_long_file_is_cut_so_that_the_call_stays_short(tmp_path):
    plan = make_plan([a_file(tmp_path / "long.wav", 30, 500)], 0.0, tmp_path, tmp_path)

    assert len(plan.members[0].said) == MEMBER_LIMIT_S * 48_000


def test_without_go_live_there_is_no_film_and_with_it_the_process_may_open_files(tmp_path, monkeypatch):
    assert make_plan([], 0.0, tmp_path, tmp_path).film is None
    monkeypatch.setattr("clankvox.demo.plan.make_film", Film)
    plan = make_plan([], 0.0, tmp_path, tmp_path, "https://example.com/a.mp3", golive=True)
    assert plan.film == Film(tmp_path / "published.mp4")
    assert plan.serve_arguments == ["--allow-files"]
    assert plan._replace(film=None).serve_arguments == []


def test_a_file_that_is_no_sound_is_refused(tmp_path):
    with pytest.raises(NoSound):
        make_plan([tmp_path / "missing.wav"], 0.0, tmp_path, tmp_path)
