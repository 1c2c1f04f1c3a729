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
from clankvox.doctor.machine import StunServer


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
    assert "\nThis installation works" in done.stdout


def test_broken_libraries_are_findings_with_a_remedy_and_code_1(tmp_path):
    """One does not load, one is gone that only serving needs, one is gone that decodes."""
    (tmp_path / "davey.py").write_text("raise ImportError('broken')\n")
    for absent in ("websockets", "simplejpeg"):
        (tmp_path / f"{absent}.py").write_text(f"raise ModuleNotFoundError('gone', name='{absent}')\n")
    done = doctor("--json", env={"PYTHONPATH": str(tmp_path)}, cwd=tmp_path)
    report = json.loads(done.stdout)
    found = {finding["name"]: finding for finding in report["findings"]}
    assert (done.returncode, done.stderr, report["passed"]) == (1, "", False)
    broken = found["libraries"]
    for said in ("websockets is not installed", "davey does not load (ImportError: broken)"):
        assert said in broken["detail"]
    assert broken["advice"].startswith("pip install --force-reinstall '")
    assert all(f"'{name}==" in broken["advice"] for name in ("websockets", "davey"))
    assert found["end-to-end encryption (DAVE)"]["detail"] == "not examined: a library does not load"
    assert "libraries" in found["end-to-end encryption (DAVE)"]["advice"]
    assert found["JPEG"]["detail"] == "simplejpeg is not installed"
    assert {found[name]["verdict"] for name in ("Opus", "H.264", "VP8", "resampling")} == {"ok"}
    failed = {name for name, finding in found.items() if finding["verdict"] == "failed"}
    assert all(found[name]["advice"] for name in failed)
    assert found["transport encryption"]["verdict"] == "ok"
    assert found["UDP on loopback"]["verdict"] == "ok"


@pytest.mark.parametrize("flags", [["--colour"], ["--stun", "host:port"], ["--stun", "[::1"], ["--stun", ""]])
def test_a_wrong_flag_is_a_usage_error(flags):
    done = doctor(*flags)
    assert (done.returncode, done.stdout) == (64, "")


@pytest.mark.parametrize(("verdict", "code"), [(Verdict.WARNING, 0), (Verdict.FAILED, 1)])
def test_only_a_failure_makes_the_exit_code_1(monkeypatch, capsys, verdict, code):
    asked = []
    monkeypatch.setattr(
        cli, "examine", lambda _clock, stun: asked.append(stun) or [Finding("x", verdict, "detail", 0.0)]
    )
    assert cli.main(["--stun", "host:1"]) == code
    assert asked == [StunServer("host", 1)]
    assert "detail" in capsys.readouterr().out
