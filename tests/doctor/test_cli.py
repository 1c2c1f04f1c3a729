"""`clankvox doctor` as a real process, and its exit codes."""

import getpass
import json
import platform
import subprocess
import sys

import pytest

from clankvox.doctor import cli
from clankvox.doctor.examination import CHECKS
from clankvox.doctor.finding import Finding, Verdict


def doctor(*arguments, **options):
    command = [sys.executable, "-m", "clankvox", "doctor", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, **options)


def test_a_good_installation_is_well_and_the_report_names_nothing_of_the_machine_but_versions():
    done = doctor("--json")
    assert (done.returncode, done.stderr) == (0, "")
    report = json.loads(done.stdout)
    assert report["passed"]
    assert [finding["name"] for finding in report["findings"]] == [
        *(check.name for check in CHECKS),
        "UDP to the internet",
    ]
    assert report["findings"][-1]["verdict"] == "skipped"
    shown = json.dumps(report["findings"]) + json.dumps(report["versions"])
    for private in {platform.node(), getpass.getuser(), sys.prefix} - {""}:
        assert f'"{private}' not in shown
        assert f"/{private}" not in shown


def test_people_get_a_table():
    done = doctor()
    assert done.returncode == 0
    assert "This installation works." in done.stdout


def test_a_broken_library_is_a_finding_and_code_1(tmp_path):
    (tmp_path / "davey.py").write_text("raise ImportError('broken')\n")
    done = doctor(env={"PYTHONPATH": str(tmp_path)}, cwd=tmp_path)
    assert done.returncode == 1
    assert "failed   end-to-end encryption (DAVE)  raised ImportError" in done.stdout
    assert "ok       Opus" in done.stdout


def test_a_wrong_flag_is_a_usage_error():
    done = doctor("--colour")
    assert (done.returncode, done.stdout) == (64, "")


@pytest.mark.parametrize(("verdict", "code"), [(Verdict.WARNING, 0), (Verdict.FAILED, 1)])
def test_only_a_failure_makes_the_exit_code_1(monkeypatch, capsys, verdict, code):
    asked = []
    monkeypatch.setattr(
        cli, "examine", lambda _clock, stun: asked.append(stun) or [Finding("x", verdict, "detail", 0.0)]
    )
    assert cli.main(["--stun", "host:1"]) == code
    assert asked == ["host:1"]
    assert "detail" in capsys.readouterr().out
