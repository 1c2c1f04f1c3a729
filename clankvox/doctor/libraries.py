"""Whether every library that this version was tested with is there, loads, and has that version."""

import importlib
import re
from importlib import metadata
from typing import Final, NamedTuple

from clankvox.doctor.finding import Doubtful, Skipped, Wrong

_MODULES: Final = {
    "opuslib": "clankvox.media.libopus",  # which shows it the libopus that comes with PyAV
    "prometheus-client": "prometheus_client",
    "pynacl": "nacl.bindings",
    "python-statemachine": "statemachine",
}
"""What to import of a distribution whose module has another name."""
_CARRIER: Final = {"opuslib": "av"}
"""Whose wheel holds the native library that a distribution loads: the fault may be in either."""
_FOLDERS: Final = re.compile(r"[^\s'\"(]*/")
_REASON_CHARACTERS: Final = 160


class Pin(NamedTuple):
    """A distribution and the version that clankvox asks for."""

    name: str
    version: str

    @property
    def requirement(self) -> str:
        """What pip takes."""
        return f"{self.name}=={self.version}"


def pins() -> list[Pin]:
    """Return what the installed clankvox requires; [] where it runs without being installed."""
    try:
        required = metadata.requires("clankvox") or []
    except metadata.PackageNotFoundError:
        return []
    plain = [text for text in required if "extra ==" not in text and "==" in text]
    return [Pin(*text.split("==", 1)) for text in plain]


def install(*found: Pin) -> str:
    """Return the command that puts libraries right."""
    return "pip install --force-reinstall " + " ".join(f"'{pin.requirement}'" for pin in found)


def libraries() -> str:
    """Import all of them."""
    wanted = pins()
    if not wanted:
        raise Skipped("clankvox is not installed as a package, so that nothing says what it requires")
    broken = {pin: why for pin in wanted if (why := _fault(pin.name))}
    if broken:
        carriers = {_CARRIER.get(pin.name) for pin in broken}
        anew = [pin for pin in wanted if pin in broken or pin.name in carriers]
        raise Wrong(", ".join(f"{pin.name} {why}" for pin, why in broken.items()), install(*anew))
    others = {pin: has for pin in wanted if (has := metadata.version(pin.name)) != pin.version}
    if others:
        told = ", ".join(f"{pin.name} {has} instead of {pin.version}" for pin, has in others.items())
        raise Doubtful(f"{told}: not what this version was tested with", install(*others))
    return f"{len(wanted)} of them, each of the version that this one was tested with"


def _fault(name: str) -> str:
    try:
        metadata.version(name)
        importlib.import_module(_MODULES.get(name, name))
    except (metadata.PackageNotFoundError, ModuleNotFoundError) as missing:
        absent = getattr(missing, "name", None) or name
        return "is not installed" if absent in {name, _MODULES.get(name, name).split(".")[0]} else f"lacks {absent}"
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001 - what a broken library raises is the finding, native panics too
        return f"does not load ({_reason(error)})"
    return ""


def _reason(error: BaseException) -> str:
    """Return the class and the first line of an error, with names of files but without their folders."""
    first = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    said = _FOLDERS.sub("", first)[:_REASON_CHARACTERS]
    return f"{type(error).__name__}: {said}" if said else type(error).__name__
