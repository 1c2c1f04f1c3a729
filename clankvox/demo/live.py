"""The view while the call runs: a table on a terminal, plain lines elsewhere."""

import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Final, Protocol, Self, TextIO

from rich.console import Console
from rich.live import Live
from rich.table import Table

from clankvox.demo.meters import FLOOR_DB, Meters
from clankvox.errors import ClankvoxError

_PERIOD_S: Final = 0.2
_BAR_CELLS: Final = 20
_PLAIN_EVERY: Final = 5
"""A plain line a second."""


class View(Protocol):
    """Shows one reading after the other, on the watcher's thread."""

    def show(self, meters: Meters) -> None:
        """Show the latest reading."""
        ...

    def close(self) -> None:
        """Leave the screen as it is."""
        ...


class TableView:
    """A table that stays in its place."""

    def __init__(self, console: Console) -> None:
        self._live = Live(console=console, auto_refresh=False, transient=False)
        self._live.start()

    def show(self, meters: Meters) -> None:
        """Draw the table anew."""
        self._live.update(_table(meters), refresh=True)

    def close(self) -> None:
        """Let the last table stand."""
        self._live.stop()


class PlainView:
    """A line a second, and one at each new act."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._readings = 0
        self._act = ""

    def show(self, meters: Meters) -> None:
        """Write a line if it is time."""
        if meters.act != self._act or self._readings % _PLAIN_EVERY == 0:
            self._act = meters.act
            self._stream.write(as_line(meters) + "\n")
            self._stream.flush()
        self._readings += 1

    def close(self) -> None:
        """Nothing is left open."""


class Watcher:
    """A context: reads meters five times a second on a thread of its own until it ends."""

    def __init__(self, read: Callable[[], Meters], view: View) -> None:
        """`read` may raise any error of ours: that reading is left out."""
        self._read = read
        self._view = view
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="demo-live", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._thread.join()
        self._view.close()

    def _run(self) -> None:
        while not self._stopped.wait(_PERIOD_S):
            with suppress(ClankvoxError):
                self._view.show(self._read())


def make_view(stream: TextIO) -> View:
    """Return the view that fits where `stream` leads."""
    console = Console(file=stream)
    return TableView(console) if console.is_terminal else PlainView(stream)


def as_line(meters: Meters) -> str:
    """Return a reading as one line."""
    voices = "  ".join(
        f"{voice.name}{'*' if voice.speaking else ''} {voice.level_db:.0f} dB {voice.packets} pkt"
        for voice in meters.voices
    )
    return f"[{meters.act}] DAVE {meters.dave} epoch {meters.epoch}  {voices}  gap {meters.longest_gap_ms:.0f} ms"


def _table(meters: Meters) -> Table:
    title = f"{meters.act}   DAVE {meters.dave}, epoch {meters.epoch}   longest gap {meters.longest_gap_ms:.1f} ms"
    table = Table(title=title, title_justify="left", width=76)
    for column in ("who", "speaks", "level", "heard", "packets"):
        table.add_column(column, justify="right" if column in {"heard", "packets"} else "left")
    for voice in meters.voices:
        table.add_row(
            voice.name,
            "yes" if voice.speaking else "",
            _bar(voice.level_db),
            f"{voice.heard_s:.1f} s",
            str(voice.packets),
        )
    return table


def _bar(level_db: float) -> str:
    cells = round((level_db - FLOOR_DB) / -FLOOR_DB * _BAR_CELLS)
    return "#" * cells + "." * (_BAR_CELLS - cells)
