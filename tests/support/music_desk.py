"""One music actor between sources that a test plays and a playback actor that a test plays."""

from itertools import count
from typing import Any

from clankvox.actors import music_projection
from clankvox.actors.base import Surroundings
from clankvox.actors.music import MusicActor
from clankvox.ids import MUSIC, PLAYBACK, Role
from clankvox.ipc.events import encode_event
from clankvox.messages import music
from clankvox.messages.common import Envelope, Inspect, Message, ResetBaton
from clankvox.messages.music import SourceEnded
from clankvox.messages.router import Settled
from tests.support.fake_source import FakeSource, FakeSources
from tests.support.manual_clock import ManualClock
from tests.support.pump import Pump
from tests.support.transitions import record

COMMANDS = (music.PlayMusic, music.StopMusic, music.PauseMusic, music.ResumeMusic, music.SetMusicGain)
URL = "https://example.com/a.opus?token=secret"


class Desk:
    """Says what the parent and playback say to a music actor, and keeps what it says to them."""

    def __init__(self, *, transport_ready: bool = True) -> None:
        self.clock = ManualClock()
        self.pump = Pump(self.clock)
        self.transport_ready = transport_ready
        self.sources = FakeSources(self._tell)
        self.actor = MusicActor(Surroundings(MUSIC, self.clock, self._hear, record), self.sources, count(1))
        self.pump.adopt(self.actor)
        self._orders: list[Message] = []
        self._reports: list[Message] = []

    def _tell(self, message: Message) -> None:
        self.actor.actor_ref.tell(message)

    def _hear(self, message: Message) -> None:
        if isinstance(message, Envelope):
            assert message.to == PLAYBACK
            self._orders.append(message.message)
        else:
            self._reports.append(message)

    def told(self, message: Message) -> "Desk":
        self._tell(message)
        self.pump.drain()
        if isinstance(message, COMMANDS):
            settled = [report for report in self._reports if isinstance(report, Settled)]
            assert len(settled) == 1, "commands behind this one wait for it, once"
            self._reports.remove(settled[0])
        return self

    @property
    def state(self) -> str:
        return self.actor.handle(Inspect())["state"]

    @property
    def leaving(self) -> int:
        return self.actor.handle(Inspect())["leaving"]

    @property
    def source(self) -> FakeSource:
        return self.sources.last

    def orders(self) -> list[str]:
        """What playback was told since the last look: `Name track`, without news of PCM."""
        found, self._orders = self._orders, []
        return [f"{type(order).__name__} {order.track}" for order in found if type(order).__name__ != "TrackFilled"]

    def messages(self) -> list[Message]:
        """What playback was told since the last look, whole."""
        found, self._orders = self._orders, []
        return found

    def said(self) -> list[str]:
        """Events for the parent since the last look, in few words; what is no event by its class name."""
        found, self._reports = self._reports, []
        lines = []
        for report in found:
            if type(report).__name__ in ("Settled", "ResetBaton", "ActorFailed"):
                lines.append(type(report).__name__)
                continue
            for event in music_projection.events_of(report, transport_ready=self.transport_ready):
                encode_event(event)
                lines.append(_short(event))
        return lines

    # --- the parent ---

    def play(self, name: str | None = "m1", url: str = URL) -> "Desk":
        return self.told(music.PlayMusic(music_id=name, url=url, direct=True, waits_for_speech=name is None))

    def stop(self, name: str | None = None) -> "Desk":
        return self.told(music.StopMusic(music_id=name))

    def pause(self, name: str | None = None) -> "Desk":
        return self.told(music.PauseMusic(music_id=name))

    def resume(self, name: str | None = None) -> "Desk":
        return self.told(music.ResumeMusic(music_id=name))

    def reset(self, reason: str = "explicit_leave") -> "Desk":
        return self.told(ResetBaton(ticket=1, role=Role.VOICE, reason=reason, connection_id=None, route=()))

    # --- the source ---

    def give(self, ms: int = 100) -> "Desk":
        self.source.give(ms)
        self.pump.drain()
        return self

    def end(self) -> "Desk":
        self.source.end()
        self.pump.drain()
        return self

    def fail(self, code: str = "http_403") -> "Desk":
        self.source.fail(code)
        self.pump.drain()
        return self

    # --- playback ---

    def sent(self, ms: int) -> "Desk":
        """Say that `ms` more of the current track crossed the wire."""
        self.source.buffer.played_samples += ms * 48
        return self

    def silenced(self, track: int) -> "Desk":
        return self.told(music.TrackSilenced(track=track, played_ms=0))

    def exhausted(self, track: int) -> "Desk":
        return self.told(music.TrackExhausted(track=track, played_ms=0))

    # --- how to get there ---

    def to(self, state: str, name: str | None = "m1") -> "Desk":
        """Bring a new actor to `state`; what was said on the way is forgotten."""
        getattr(self, f"_to_{state}")(name)
        assert self.state == state
        self.said()
        self.orders()
        return self

    def _to_idle(self, name: str | None) -> None:
        pass

    def _to_loading(self, name: str | None) -> None:
        self.play(name)

    def _to_waiting(self, name: str | None) -> None:
        self.told(music.PlayMusic(music_id=name, url=URL, direct=True, waits_for_speech=True)).give()

    def _to_playing(self, name: str | None) -> None:
        self._to_waiting(name)
        self.told(music.QuietReached(track=self.source.attempt))

    def _to_finishing(self, name: str | None) -> None:
        self._to_playing(name)
        self.end()

    def _to_stopping(self, name: str | None) -> None:
        self._to_playing(name)
        self.stop()

    def _to_stopping_finishing(self, name: str | None) -> None:
        self._to_stopping(name)
        self.end()

    def _to_paused_loading(self, name: str | None) -> None:
        self.play(name).pause()

    def _to_paused_unheard(self, name: str | None) -> None:
        self._to_paused_loading(name)
        self.give()

    def _to_paused(self, name: str | None) -> None:
        self._to_playing(name)
        self.pause()

    def _to_paused_finishing(self, name: str | None) -> None:
        self._to_finishing(name)
        self.pause()

    def _to_paused_broken(self, name: str | None) -> None:
        self._to_paused(name)
        self.fail().silenced(self.source.attempt)

    def _to_reopening(self, name: str | None) -> None:
        self._to_paused_broken(name)
        self.resume()

    def late(self, track: int) -> None:
        """News of a source that nobody waits for."""
        self.told(SourceEnded(attempt=track, position_ms=0))


def _short(event: Any) -> str:
    shown = {field: getattr(event, field) for field in event.__struct_fields__}
    name = type(event).__name__
    return " ".join([name, *(str(value) for key, value in shown.items() if value is not None and key != "message")])
