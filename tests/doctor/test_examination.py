"""Whatever a check does, there is a finding."""

import pytest

from clankvox.doctor import examination
from clankvox.doctor.examination import CHECKS, Check, examine
from clankvox.doctor.finding import Doubtful, Skipped, Verdict, Wrong
from tests.support.manual_clock import ManualClock


class Panic(BaseException):
    pass


def found(monkeypatch, error):
    def check(_self):
        if error:
            raise error
        return "fine"

    monkeypatch.setattr(examination, "CHECKS", CHECKS[:1])
    monkeypatch.setattr(examination, "_run", check)
    return examine(ManualClock())[0]


@pytest.mark.parametrize(
    ("error", "verdict", "detail"),
    [
        (None, Verdict.OK, "fine"),
        (Wrong("bad"), Verdict.FAILED, "bad"),
        (Doubtful("odd"), Verdict.WARNING, "odd"),
        (Skipped("no"), Verdict.SKIPPED, "no"),
        (ValueError("a secret"), Verdict.FAILED, "raised ValueError"),
        (Panic("a secret"), Verdict.FAILED, "raised Panic"),
        (ModuleNotFoundError(name="davey"), Verdict.FAILED, "davey is not installed"),
    ],
)
def test_every_end_of_a_check_is_a_finding(monkeypatch, error, verdict, detail):
    assert found(monkeypatch, error)[:3] == (CHECKS[0].name, verdict, detail)


def test_what_is_wrong_has_the_advice_of_its_check_or_a_better_one(monkeypatch):
    assert found(monkeypatch, Wrong("bad")).advice == CHECKS[0].advice
    assert found(monkeypatch, Wrong("bad", "do this")).advice == "do this"
    assert found(monkeypatch, Doubtful("odd", "do that")).advice == "do that"
    assert found(monkeypatch, ValueError()).advice == CHECKS[0].advice
    assert found(monkeypatch, None).advice == ""
    assert found(monkeypatch, Skipped("no")).advice == ""


def test_who_interrupts_the_doctor_ends_it(monkeypatch):
    with pytest.raises(KeyboardInterrupt):
        found(monkeypatch, KeyboardInterrupt())


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_every_check_exists(check: Check):
    module = __import__(f"clankvox.doctor.{check.module}", fromlist=[check.function])
    assert callable(getattr(module, check.function))
    assert check.advice or check.name == "page resolver"  # which is never wrong


@pytest.mark.parametrize(
    ("error", "detail"),
    [
        (ModuleNotFoundError(name="numpy"), "numpy is not installed"),
        (ImportError("a path"), "not examined: a library does not load"),
        (Panic("a secret"), "not examined: a library does not load"),
    ],
)
def test_a_check_whose_libraries_do_not_load_blames_no_other_one(monkeypatch, error, detail):
    def fails(_name):
        raise error

    monkeypatch.setattr(examination.importlib, "import_module", fails)
    told = examine(ManualClock())[:-1]
    assert {(finding.verdict, finding.detail) for finding in told} == {(Verdict.FAILED, detail)}
    assert {finding.advice for finding in told} == {"See `libraries`, above."}
