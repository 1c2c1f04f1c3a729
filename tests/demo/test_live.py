import io
import threading

from rich.console import Console

from clankvox.demo import live
from clankvox.demo.journal import NotSeen
from clankvox.demo.meters import Meters, Voice


def a_reading(act="reply", level_db=-30.0):
    voices = (Voice("Ada", True, level_db, 1.5, 75), Voice("clankvox", False, -60.0, 0.0, 3))
    return Meters(act=act, dave="ready", epoch=2, voices=voices, longest_gap_ms=20.4)


class Shown:
    def __init__(self):
        self.readings = []
        self.closed = False
        self.seen = threading.Event()

    def show(self, meters):
        self.readings.append(meters)
        self.seen.set()

    def close(self):
        self.closed = True


def test_a_line_says_who_speaks_how_loud_the_epoch_packets_and_pacing():
    assert live.as_line(a_reading()) == (
        "[reply] DAVE ready epoch 2  Ada* -30 dB 75 pkt  clankvox -60 dB 3 pkt  gap 20 ms"
    )


def test_lines_come_at_each_new_act_and_then_rarely():
    stream = io.StringIO()
    view = live.PlainView(stream)
    for act in ["join"] * 3 + ["reply"] * 3:
        view.show(a_reading(act))

    assert [line.split("]")[0] for line in stream.getvalue().splitlines()] == ["[join", "[reply", "[reply"]


def test_a_stream_that_is_no_terminal_gets_lines():
    assert isinstance(live.make_view(io.StringIO()), live.PlainView)


def test_a_terminal_gets_a_table_with_levels_as_bars():
    stream = io.StringIO()
    view = live.TableView(Console(file=stream, force_terminal=True, width=80))
    view.show(a_reading())
    view.close()

    shown = stream.getvalue()
    assert "##########.........." in shown
    assert "epoch 2" in shown
    assert "75" in shown


def test_the_watcher_shows_readings_until_it_ends():
    shown = Shown()
    with live.Watcher(a_reading, shown):
        assert shown.seen.wait(10)

    count = len(shown.readings)
    assert count >= 1
    assert shown.closed
    assert not any(thread.name == "demo-live" for thread in threading.enumerate())


def test_a_reading_that_cannot_be_taken_is_left_out():
    shown, failed = Shown(), threading.Event()

    def read():
        if not failed.is_set():
            failed.set()
            raise NotSeen("stats")
        return a_reading()

    with live.Watcher(read, shown):
        assert shown.seen.wait(10)

    assert failed.is_set()
