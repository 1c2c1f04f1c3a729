"""No state is kept beside a machine: actors have no flags but facts, and no states but their machines'.

That what an actor may lack is there when its machine says so is watched in every order (tests/support/belongings.py).
"""

from enum import Enum

from clankvox.ids import ActorKind, Role
from tests.actors.test_stream import connect
from tests.support.factory import Call

FACTS = {
    "clankvox.actors.inbox.ClockedInbox": {"_closed"},
    "clankvox.actors.tracks._Account": {"began", "exhausted", "silenced"},
    "clankvox.actors.music_piece.Piece": {"begins_anew", "waits_for_speech"},
    "clankvox.actors.speech.Speech": {"heard"},
    "clankvox.actors.desired_call.ConnectionWish": {"_awaits_move"},
    "clankvox.actors.desired_media.CaptureWish": {"_is_speaking"},
    "clankvox.actors.desired_media.MusicWish": {"_paused", "_stopping"},
    "clankvox.actors.voice.VoiceActor": {"_was_ever_ready", "_speaks"},
    "clankvox.actors.stream_watch.StreamWatchActor": {"_was_ever_ready", "_speaks"},
    "clankvox.actors.stream_publish.StreamPublishActor": {"_was_ever_ready", "_speaks"},
}
"""Flags that are no state of a machine: whether the inbox is that of a dead actor, what the mixer said of a track, what
the parent asked of a piece, whether a sample crossed the wire, what the router has ordered or told for an heir to know,
whether a join ever had a session (it tells two errors apart), and what op 5 said last."""


def everybody():
    """A call in which every kind of actor lives and is about something."""
    call = Call().establish(42)
    call.line(type="subscribe_user", userId="42")
    call.line(type="subscribe_user_video", userId="42")
    call.pipeline.packet(42)
    call.line(type="music_play", musicId="m1", url="https://example.com/a", resolvedDirectUrl=True)
    call.drain()
    call.sources.last.give(2_000)
    call.line(type="duck", target=0.2)
    call.audio("p1", 400)
    for role in ("stream_watch", "stream_publish"):
        connect(call, role)
        call.roles[Role(role)].server.handshake(1)
    call.line(type="stream_publish_play", url="https://example.com/a", withAudio=True)
    call.run(0.3)
    return call


def parts_of(thing, seen):
    """Yield `thing` and what it is made of, as far as the actors' own modules go."""
    if id(thing) in seen:
        return
    seen.add(id(thing))
    yield thing
    values = list(getattr(thing, "__dict__", {}).values())
    values += [getattr(thing, name) for name in getattr(type(thing), "__slots__", ()) if hasattr(thing, name)]
    for value in values:
        for each in value.values() if isinstance(value, dict) else [value]:
            if type(each).__module__.startswith("clankvox.actors") and not isinstance(each, tuple):
                yield from parts_of(each, seen)


def attributes(thing):
    named = dict(getattr(thing, "__dict__", {}))
    named |= {name: getattr(thing, name) for name in getattr(type(thing), "__slots__", ()) if hasattr(thing, name)}
    return named


def test_no_actor_has_a_flag_or_a_state_of_its_own_making():
    call = everybody()
    kinds = {actor._address.kind for actor in call.pump.actors}
    assert kinds == set(ActorKind)
    found: dict[str, set[str]] = {}
    for actor in call.pump.actors:
        for part in parts_of(actor, set()):
            name = f"{type(part).__module__}.{type(part).__qualname__}"
            flags = {key for key, value in attributes(part).items() if type(value) is bool}
            flags |= {key for key, value in attributes(part).items() if isinstance(value, Enum) and "state" in key}
            if flags:
                found.setdefault(name, set()).update(flags)
    for name, flags in found.items():
        assert flags <= FACTS.get(name, set()), f"{name} keeps {flags - FACTS.get(name, set())} beside its machine"
