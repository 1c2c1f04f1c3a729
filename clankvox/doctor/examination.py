"""Runs the checks one after the other. Each is imported only then, so that a missing library is a finding."""

import importlib
from collections.abc import Callable
from functools import partial
from typing import Final, NamedTuple

from clankvox.clock import Clock
from clankvox.doctor.finding import Doubtful, Finding, Skipped, Verdict, Wrong
from clankvox.doctor.machine import StunServer, udp_egress


class Check(NamedTuple):
    """A name for people, the function, which returns the detail of a success, and what to do if there is none."""

    name: str
    module: str
    function: str
    advice: str


_NO_CALL: Final = "No call is possible like this. Install the library above anew, in the version that is required."
CHECKS: Final = (
    Check("libraries", "libraries", "libraries", "Install clankvox anew: pip install --force-reinstall ."),
    Check(
        "transport encryption",
        "known_answers",
        "transport_encryption",
        f"AES-GCM is OpenSSL's, by cryptography; XChaCha20 is libsodium's, by pynacl. {_NO_CALL}",
    ),
    Check("end-to-end encryption (DAVE)", "dave_group", "dave", f"By davey. {_NO_CALL}"),
    Check(
        "DAVE beside libdave",
        "beside_libdave",
        "libdave",
        "One of davey and dave.py does not do what the protocol says.",
    ),
    Check("Opus", "codecs", "opus", f"libopus, which comes with PyAV (av), by opuslib. {_NO_CALL}"),
    Check("H.264", "codecs", "h264", "FFmpeg by PyAV (av): install it anew. Calls work; video does not."),
    Check("VP8", "codecs", "vp8", "FFmpeg by PyAV (av): install it anew. Calls work; webcams of some do not."),
    Check("JPEG", "codecs", "jpeg", "By simplejpeg: install it anew. Calls work; pictures for the parent do not."),
    Check("resampling", "codecs", "resampling", "By PyAV (av): install it anew. Speech of 48 kHz alone would work."),
    Check(
        "UDP on loopback", "machine", "udp_loopback", "Something here keeps UDP from 127.0.0.1: a sandbox, a firewall."
    ),
    Check("timer", "machine", "timer", "Give it more CPU: fewer neighbours, a higher quota, another governor."),
    Check("page resolver", "machine", "page_resolver", ""),
)
_SEE_LIBRARIES: Final = "See `libraries`, above."
_UDP_ADVICE: Final = (
    "Let UDP out, to Discord's ports 50000 to 65535, and its answers in; try another STUN server as well."
)


def examine(clock: Clock, stun_server: StunServer | None = None) -> list[Finding]:
    """Run all checks and return what they found, in order; takes about two seconds. Never raises."""
    findings = [_found(check.name, clock, partial(_run, check), check.advice) for check in CHECKS]
    findings.append(_found("UDP to the internet", clock, partial(_egress, stun_server), _UDP_ADVICE))
    return findings


def _run(check: Check) -> str:
    try:
        module = importlib.import_module(f"clankvox.doctor.{check.module}")
    except ModuleNotFoundError as missing:
        raise Wrong(f"{missing.name} is not installed", _SEE_LIBRARIES) from None
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException:  # noqa: BLE001 - see _found
        raise Wrong("not examined: a library does not load", _SEE_LIBRARIES) from None
    return str(getattr(module, check.function)())


def _egress(server: StunServer | None) -> str:
    return udp_egress(server)


def _found(name: str, clock: Clock, check: Callable[[], str], advice: str) -> Finding:
    began = clock.now()
    try:
        verdict, detail, advice = Verdict.OK, check(), ""
    except Wrong as wrong:
        verdict, detail, advice = Verdict.FAILED, str(wrong), wrong.advice or advice
    except Doubtful as doubt:
        verdict, detail, advice = Verdict.WARNING, str(doubt), doubt.advice or advice
    except Skipped as reason:
        verdict, detail, advice = Verdict.SKIPPED, str(reason), reason.advice
    except ModuleNotFoundError as missing:
        verdict, detail = Verdict.FAILED, f"{missing.name} is not installed"
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001 - whatever a broken library raises is the finding, native panics too
        verdict, detail = Verdict.FAILED, f"raised {type(error).__name__}"
    return Finding(name, verdict, detail, clock.now() - began, advice)
