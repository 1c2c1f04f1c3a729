"""Versions of what clankvox is made of; nothing else about the machine."""

import platform
import ssl
import sys
from importlib import metadata
from typing import Final

from clankvox import __version__

_LIBRARIES: Final = (
    "davey",
    "av",
    "numpy",
    "pynacl",
    "opuslib",
    "simplejpeg",
    "websockets",
    "pykka",
    "python-statemachine",
    "msgspec",
    "orjson",
    "h11",
    "cryptography",
    "prometheus-client",
    "yt-dlp",
)


def versions() -> dict[str, str]:
    """Return name and version of everything; what is not installed is `absent`."""
    found = {
        "clankvox": __version__,
        "python": platform.python_version(),
        "system": f"{sys.platform} {platform.machine()}",
        "openssl": ssl.OPENSSL_VERSION,
    }
    for name in _LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "absent"
    return found
