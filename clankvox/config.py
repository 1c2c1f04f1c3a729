"""What the process was told when it was started: a flag beats the environment, which beats the default."""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from clankvox.log import LEVELS

ENV_PREFIX: Final = "CLANKVOX_"
EXIT_USAGE: Final = 64
_RUST_LEVELS: Final = {"trace": "debug", "debug": "debug", "info": "info", "warn": "warning", "error": "error"}

_SWITCHES: Final = {
    "allow-files": "music and publish sources may be files of this machine",
    "allow-private-hosts": "music and publish sources may be on loopback and private addresses",
}
_ON: Final = frozenset(("1", "true", "yes", "on"))
"""Whatever else an environment variable says leaves a switch off, which is the safe side."""


class Config(NamedTuple):
    """Immutable; made once, before anything starts."""

    log_level: str = "info"
    log_format: str = "auto"
    allow_files: bool = False
    """Sources may be files of this machine."""
    allow_private_hosts: bool = False
    """Sources may be on loopback, link-local and private addresses."""


def parse(argv: Sequence[str], environment: Mapping[str, str] = os.environ) -> Config:
    """Read the flags of `clankvox serve`; ends the process with code 64 if they are wrong."""
    parser = _Parser(prog="clankvox", description="Serve one parent on stdin and stdout.")
    parser.add_argument("--log-level", choices=LEVELS, default=_env(environment, "LOG_LEVEL", _rust_level(environment)))
    parser.add_argument(
        "--log-format", choices=("auto", "text", "json"), default=_env(environment, "LOG_FORMAT", "auto")
    )
    for flag, what in _SWITCHES.items():
        parser.add_argument(f"--{flag}", action="store_true", default=_switch(environment, flag), help=what)
    flags = parser.parse_args(argv)
    if flags.log_level not in LEVELS or flags.log_format not in ("auto", "text", "json"):
        parser.error(f"{ENV_PREFIX}LOG_LEVEL or {ENV_PREFIX}LOG_FORMAT has an unknown value")
    return Config(
        log_level=flags.log_level,
        log_format=flags.log_format,
        allow_files=flags.allow_files,
        allow_private_hosts=flags.allow_private_hosts,
    )


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:  # type: ignore[override]  # argparse says NoReturn; exit does not return
        self.print_usage(sys.stderr)
        self.exit(EXIT_USAGE, f"{self.prog}: {message}\n")


def _env(environment: Mapping[str, str], name: str, default: str) -> str:
    return environment.get(ENV_PREFIX + name, default).strip().lower() or default


def _switch(environment: Mapping[str, str], flag: str) -> bool:
    return _env(environment, flag.upper().replace("-", "_"), "") in _ON


def _rust_level(environment: Mapping[str, str]) -> str:
    """Parents of the Rust program set RUST_LOG, such as `info` or `info,davey=warn`."""
    first = environment.get("RUST_LOG", "").split(",")[0].strip().lower()
    return _RUST_LEVELS.get(first, "info")
