import json

import orjson
import pytest

from clankvox.demo import report
from clankvox.demo.call import Outcome
from clankvox.demo.checks import Check, Sounds
from tests.demo.test_golive_checks import GOOD
from tests.support.demo_call import Heard, a_plan, an_outcome, sounds_of


@pytest.fixture
def made(tmp_path):
    plan = a_plan(tmp_path)
    return report.make_report(plan, an_outcome(plan), Heard(plan), sounds_of(plan), None)


def broken(tmp_path):
    plan = a_plan(tmp_path)
    streams, music = sounds_of(plan)
    sounds = Sounds(
        [stream._replace(alignment=None, picture=None) for stream in streams],
        music._replace(alone_db=None, picture=None),
    )
    vox = Heard(plan)
    vox.audio = {member.user_id: [] for member in plan.members}
    return report.make_report(plan, Outcome(acts=["join"]), vox, sounds, "join: nobody answered")


def test_a_green_report_says_so_and_has_every_figure(made):
    text = report.as_markdown(made)

    assert made.passed
    assert text.startswith("# clankvox demo: everything as it should be\n")
    assert all(f"| ok | {check.name} | {check.measured} | {check.bar} |" in text for check in made.checks)
    assert made.latency_ms == {
        "join to ready": 200.0,
        "Ada's first packet to first PCM": 40.0,
        "Ben's first packet to first PCM": 40.0,
        "first TTS line to first packet": 20.0,
    }
    assert made.pacing["packets per second"] == 50
    assert made.pacing["plaintext frames"] == 0


def test_go_live_has_a_table_and_a_picture_if_there_was_any(made, tmp_path):
    assert "## Go Live" not in report.as_markdown(made)
    assert report.as_json(made)["golive"] is None
    plan = a_plan(tmp_path)
    seen = GOOD._replace(sheet=tmp_path / "golive.png")
    with_act = report.make_report(plan, an_outcome(plan), Heard(plan), sounds_of(plan), None, seen)
    text = report.as_markdown(with_act)
    assert "| watched | 179 | 180 | 29.9 | 15 ms | 50 |" in text
    assert "![What was seen](golive.png)" in text
    assert with_act.passed
    assert not report.make_report(
        plan, an_outcome(plan), Heard(plan), sounds_of(plan), None, seen._replace(clear_pictures=1)
    ).passed
    assert report.as_json(with_act)["golive"]["published"]["latencyMs"] == 60.0


def test_every_table_row_has_as_many_cells_as_its_head(made, tmp_path):
    for one in (made, broken(tmp_path)):
        for block in report.as_markdown(one).split("\n\n"):
            rows = [line.count("|") for line in block.splitlines() if line.startswith("|")]
            assert len(set(rows)) <= 1, block


def test_pictures_and_sounds_are_linked_relative_to_the_report(made):
    text = report.as_markdown(made)

    assert "![Ada to clankvox: heard](heard.png)" in text
    assert "![Music as heard](music-as-heard.png)" in text
    assert "[3.10 s](heard.wav)" in text
    assert str(made.streams[0].heard_file.parent) not in text


def test_a_wrong_report_names_what_is_wrong(tmp_path):
    wrong = broken(tmp_path)

    assert not wrong.passed
    assert "| **wrong** | the call was held to its end | join: nobody answered | ended |" in report.as_markdown(wrong)
    assert "nothing heard" in report.as_markdown(wrong)
    assert (wrong.latency_ms, wrong.pacing) == ({}, {})
    assert "WRONG  the call was held to its end" in report.as_text(wrong)


def test_programs_read_the_same_figures(made, tmp_path):
    markdown, data = report.save(made, tmp_path)

    read = json.loads(data.read_text())
    assert markdown.read_text() == report.as_markdown(made)
    assert read["passed"] is True
    assert [check["name"] for check in read["checks"]] == [check.name for check in made.checks]
    assert read["streams"][0]["snrDb"] == 28.0
    assert read["streams"][0]["heard"] == "heard.wav"


def test_what_was_not_heard_is_null_for_programs(tmp_path):
    read = orjson.loads(orjson.dumps(report.as_json(broken(tmp_path))))

    assert {read["streams"][0][key] for key in ("snrDb", "beyondOpusDb", "heard", "spectrogram")} == {None}
    assert {read["music"][key] for key in ("gainAloneDb", "heard", "spectrogram")} == {None}


@pytest.mark.parametrize(
    ("late", "broken_call", "verdict"),
    [
        (False, False, "Green"),
        (True, False, "Only late, perhaps because this machine is busy"),
        (False, True, "Something is wrong"),
        (True, True, "Something is wrong"),
    ],
)
def test_a_busy_machine_is_not_told_that_the_call_was_wrong(made, late, broken_call, verdict):
    checks = [Check("rate", "47", "50", not late, timing=True), Check("leaks", "0", "0", not broken_call)]
    assert made._replace(checks=checks).verdict == verdict
