"""What the process was told when it was started: a flag beats the environment, which beats the file, then the default.

Every setting has a flag, a variable and a key, and all three follow from its name: `--log-level`, `CLANKVOX_LOG_LEVEL`,
`log-level`. What is wrong ends the process before it has said anything: a flag with ExitCode.USAGE, the others with
ExitCode.CONFIG.
"""

import argparse
import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, NoReturn

from clankvox.errors import ExitCode
from clankvox.log import LEVELS

ENV_PREFIX: Final = "CLANKVOX_"
FILE_SETTING: Final = "config"
"""The one setting that no file has: it names the file."""
_LAST_PORT: Final = 65_535
_RUST_LEVELS: Final = {
    "trace": "debug",
    "debug": "debug",
    "info": "info",
    "warn": "warning",
    "error": "error",
    "off": "error",
}
"""Who wants nothing gets the least that there is."""
_ON: Final = frozenset(("1", "true", "yes", "on"))
_OFF: Final = frozenset(("0", "false", "no", "off"))
_ADDRESS: Final = re.compile(r"(?:\[(?P<v6>[0-9a-fA-F:]+)\]|(?P<host>[^:\[\]]+)):(?P<port>\d{1,5})")
_LOOPBACK: Final = re.compile(r"localhost|::1|127(?:\.\d{1,3}){3}")


class Setting(NamedTuple):
    """One thing that can be told; without choices and meta variable it is a switch."""

    name: str
    what: str
    choices: tuple[str, ...] = ()
    metavar: str = ""

    @property
    def variable(self) -> str:
        """Its name in the environment."""
        return ENV_PREFIX + self.name.upper().replace("-", "_")

    @property
    def is_switch(self) -> bool:
        """Whether it is on or off."""
        return not (self.choices or self.metavar)


SETTINGS: Final = (
    Setting(FILE_SETTING, "read settings from this TOML file, whose keys are these names", metavar="FILE"),
    Setting("log-level", "least important records that are logged (info)", choices=LEVELS),
    Setting("log-format", "auto is text on a terminal and json elsewhere (auto)", choices=("auto", "text", "json")),
    Setting("metrics-addr", "serve OpenMetrics on http://HOST:PORT/metrics; [::1]:PORT for IPv6", metavar="HOST:PORT"),
    Setting("metrics-public", "--metrics-addr may be another address than loopback"),
    Setting("allow-files", "music and publish sources may be files of this machine"),
    Setting("allow-private-hosts", "music and publish sources may be on loopback and private addresses"),
    Setting("outlive-parent", "go on when the process that started this one ends; the end of stdin still ends it"),
)


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
    outlive_parent: bool = False
    """Only the end of stdin says that the parent is gone: who started us is a launcher that ends."""
    unknown: tuple[str, ...] = ()
    """Variables of the environment that look like settings and are none; sorted."""


def parse(argv: Sequence[str], environment: Mapping[str, str] = os.environ) -> Config:
    """Return what was told; ends the process with ExitCode.USAGE or ExitCode.CONFIG if something of it is wrong."""
    flags = vars(_parser().parse_args(argv))
    try:
        config = _config(_gather(flags, environment), _rust_level(environment))
    except _Wrong as wrong:
        sys.stderr.write(f"clankvox: {wrong}\n")
        raise SystemExit(wrong.exit_code) from None
    ours = {setting.variable for setting in SETTINGS}
    return config._replace(
        unknown=tuple(sorted(name for name in environment if name.startswith(ENV_PREFIX) and name not in ours))
    )


class _Said(NamedTuple):
    """A value, where it stands, and what the process ends with if it is wrong."""

    value: Any
    where: str
    exit_code: ExitCode


class _Wrong(Exception):
    def __init__(self, where: str, what: str, exit_code: ExitCode = ExitCode.CONFIG) -> None:
        super().__init__(f"{where} {what}")
        self.exit_code = exit_code


def _config(said: Mapping[str, _Said], rust_level: str) -> Config:
    return Config(
        log_level=_choice(said.get("log-level"), LEVELS, rust_level),
        log_format=_choice(said.get("log-format"), ("auto", "text", "json"), "auto"),
        allow_files=_switch(said.get("allow-files")),
        allow_private_hosts=_switch(said.get("allow-private-hosts")),
        metrics_address=_metrics_address(said.get("metrics-addr"), public=_switch(said.get("metrics-public"))),
        outlive_parent=_switch(said.get("outlive-parent")),
    )


def _gather(flags: Mapping[str, Any], environment: Mapping[str, str]) -> dict[str, _Said]:
    """Return of each setting what was said in the most important place; what is empty is not said."""
    said: dict[str, _Said] = {}
    for setting in SETTINGS:
        flag, variable = flags[setting.name.replace("-", "_")], environment.get(setting.variable, "").strip()
        if flag is not None:
            said[setting.name] = _Said(flag, f"--{setting.name}", ExitCode.USAGE)
        elif variable:
            said[setting.name] = _Said(variable, setting.variable, ExitCode.CONFIG)
    file = said.pop(FILE_SETTING, None)
    return {**_read(Path(file.value)), **said} if file is not None and file.value else said


def _read(path: Path) -> dict[str, _Said]:
    import tomllib  # noqa: PLC0415 - for those who have a file only: every start would pay for it

    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise _Wrong(f"{path}:", f"cannot be read: {error.strerror}") from None
    except ValueError as error:  # TOML or UTF-8
        raise _Wrong(f"{path}:", f"is not TOML: {error}") from None
    known = [setting.name for setting in SETTINGS if setting.name != FILE_SETTING]
    for key in found:
        if key not in known:
            raise _Wrong(f"{path}:", f"there is no setting {key!r}; there are {', '.join(known)}")
    return {key: _Said(value, f"{path}: {key}", ExitCode.CONFIG) for key, value in found.items()}


def _choice(said: _Said | None, choices: Sequence[str], default: str) -> str:
    if said is None:
        return default
    value = str(said.value).strip().lower()
    if value not in choices:
        raise _Wrong(said.where, f"must be one of {', '.join(choices)}", said.exit_code)
    return value


def _switch(said: _Said | None) -> bool:
    match said:
        case None:
            return False
        case _Said(value=bool(value)):
            return value
        case _Said(value=str(value)) if value.lower() in _ON | _OFF:
            return value.lower() in _ON
        case _:
            raise _Wrong(said.where, "must be true or false", said.exit_code)


def _metrics_address(said: _Said | None, *, public: bool) -> MetricsAddress | None:
    if said is None or said.value == "":
        return None
    found = _ADDRESS.fullmatch(said.value) if isinstance(said.value, str) else None
    if found is None or int(found["port"]) > _LAST_PORT:
        raise _Wrong(said.where, "must be HOST:PORT", said.exit_code)
    address = MetricsAddress(found["v6"] or found["host"], int(found["port"]))
    if not (address.is_loopback or public):
        raise _Wrong(said.where, "must be a loopback address unless --metrics-public is given", said.exit_code)
    return address


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(ExitCode.USAGE, f"{self.prog}: {message}\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="clankvox", description="Serve one parent on stdin and stdout.", allow_abbrev=False)
    for setting in SETTINGS:
        flag = f"--{setting.name}"
        if setting.is_switch:
            parser.add_argument(flag, action=argparse.BooleanOptionalAction, help=setting.what)
        elif setting.choices:
            parser.add_argument(flag, type=str.lower, choices=setting.choices, help=setting.what)
        else:
            parser.add_argument(flag, metavar=setting.metavar, help=setting.what)
    return parser


def _rust_level(environment: Mapping[str, str]) -> str:
    """Parents of the Rust program set RUST_LOG, such as `info,davey=warn` or `info,clankvox=debug`.

    What it says of clankvox beats what it says of everything; it counts if nothing else does.
    """
    directives = [part.strip().lower().rpartition("=") for part in environment.get("RUST_LOG", "").split(",")]
    levels = {target: level for target, _, level in directives if level in _RUST_LEVELS}
    return _RUST_LEVELS[levels.get("clankvox", levels.get("", "info"))]
