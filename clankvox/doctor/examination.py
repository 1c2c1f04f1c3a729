"""Runs the checks one after the other. Each is imported only then, so that a missing library is a finding."""

import importlib
from collections.abc import Callable
from functools import partial
from typing import Final, NamedTuple

from clankvox.clock import Clock
from clankvox.doctor.finding import Doubtful, Finding, Skipped, Verdict, Wrong


class Check(NamedTuple):
    """A name for people, and the function, which returns the detail of a success."""

    name: str
    module: str
    function: str


CHECKS: Final = (
    Check("transport encryption", "known_answers", "transport_encryption"),
    Check("end-to-end encryption (DAVE)", "dave_group", "dave"),
    Check("Opus", "codecs", "opus"),
    Check("H.264", "codecs", "h264"),
    Check("VP8", "codecs", "vp8"),
    Check("JPEG", "codecs", "jpeg"),
    Check("resampling", "codecs", "resampling"),
    Check("UDP on loopback", "machine", "udp_loopback"),
    Check("timer", "machine", "timer"),
    Check("page resolver", "machine", "page_resolver"),
)


def examine(clock: Clock, stun_server: str | None = None) -> list[Finding]:
    """Run all checks and return what they found, in order; takes about two seconds. Never raises."""
    findings = [_found(check.name, clock, partial(_run, check)) for check in CHECKS]
    findings.append(_found("UDP to the internet", clock, partial(_egress, stun_server)))
    return findings


def _run(check: Check) -> str:
    module = importlib.import_module(f"clankvox.doctor.{check.module}")
    return str(getattr(module, check.function)())


def _egress(server: str | None) -> str:
    from clankvox.doctor.machine import udp_egress  # noqa: PLC0415 - as with the others

    return udp_egress(server)


def _found(name: str, clock: Clock, check: Callable[[], str]) -> Finding:
    began = clock.now()
    try:
        verdict, detail = Verdict.OK, check()
    except Wrong as wrong:
        verdict, detail = Verdict.FAILED, str(wrong)
    except Doubtful as doubt:
        verdict, detail = Verdict.WARNING, str(doubt)
    except Skipped as reason:
        verdict, detail = Verdict.SKIPPED, str(reason)
    except ModuleNotFoundError as missing:
        verdict, detail = Verdict.FAILED, f"{missing.name} is not installed"
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001 - whatever a broken library raises is the finding, native panics too
        verdict, detail = Verdict.FAILED, f"raised {type(error).__name__}"
    return Finding(name, verdict, detail, clock.now() - began)
