"""What the process was told when it was started: a flag beats the environment, which beats the default."""

import argparse
import os
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, NoReturn

from clankvox.log import LEVELS

ENV_PREFIX: Final = "CLANKVOX_"
EXIT_USAGE: Final = 64
_LAST_PORT: Final = 65_535
_RUST_LEVELS: Final = {"trace": "debug", "debug": "debug", "info": "info", "warn": "warning", "error": "error"}

_SWITCHES: Final = {
    "allow-files": "music and publish sources may be files of this machine",
    "allow-private-hosts": "music and publish sources may be on loopback and private addresses",
    "metrics-public": "--metrics-addr may be another address than loopback",
}
_ON: Final = frozenset(("1", "true", "yes", "on"))
"""Whatever else an environment variable says leaves a switch off, which is the safe side."""
_ADDRESS: Final = re.compile(r"(?:\[(?P<v6>[0-9a-fA-F:]+)\]|(?P<host>[^:\[\]]+)):(?P<port>\d{1,5})")
_LOOPBACK: Final = re.compile(r"localhost|::1|127(?:\.\d{1,3}){3}")


class MetricsAddress(NamedTuple):
    """Where metrics are served; port 0 is any that is free."""

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine reaches it."""
        return _LOOPBACK.fullmatch(self.host) is not None


class Config(NamedTuple):
    """Immutable; made once, before anything starts."""

    log_level: str = "info"
    log_format: str = "auto"
    allow_files: bool = False
    """Sources may be files of this machine."""
    allow_private_hosts: bool = False
    """Sources may be on loopback, link-local and private addresses."""
    metrics_address: MetricsAddress | None = None
    """Metrics are served there; nowhere by default."""


def parse(argv: Sequence[str], environment: Mapping[str, str] = os.environ) -> Config:
    """Read the flags of `clankvox serve`; ends the process with code 64 if they are wrong."""
    parser = _Parser(prog="clankvox", description="Serve one parent on stdin and stdout.")
    parser.add_argument("--log-level", choices=LEVELS, default=_env(environment, "LOG_LEVEL", _rust_level(environment)))
    parser.add_argument(
        "--log-format", choices=("auto", "text", "json"), default=_env(environment, "LOG_FORMAT", "auto")
    )
    parser.add_argument(
        "--metrics-addr",
        metavar="HOST:PORT",
        default=environment.get(ENV_PREFIX + "METRICS_ADDR", "").strip(),
        help="serve OpenMetrics on http://HOST:PORT/metrics; [::1]:PORT for IPv6",
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
        metrics_address=_metrics_address(parser, flags.metrics_addr, public=flags.metrics_public),
    )


def _metrics_address(parser: argparse.ArgumentParser, text: str, *, public: bool) -> MetricsAddress | None:
    if not text:
        return None
    found = _ADDRESS.fullmatch(text)
    if found is None or int(found["port"]) > _LAST_PORT:
        parser.error("--metrics-addr must be HOST:PORT")
    address = MetricsAddress(found["v6"] or found["host"], int(found["port"]))
    if not (address.is_loopback or public):
        parser.error("--metrics-addr must be a loopback address unless --metrics-public is given")
    return address


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
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
