"""Commands take effect in the order in which they were written, whatever the threads do meanwhile.

Two calls get the same lines. One lets each take effect before it reads the next; the other finds all of them in its
pipe at once and runs in a drawn order. In the end both have told the parent the same of each thing.
"""

import json

import hypothesis.strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from tests.support.call_machine import run_suite
from tests.support.factory import TELEMETRY, Call
from tests.support.promises import OutOfOrder

URL = {"url": "https://example.com/a", "resolvedDirectUrl": True}
LINES = [
    {"type": "leave"},
    {"type": "stop_playback"},
    {"type": "stop_tts_playback"},
    {"type": "music_play", "musicId": "m1", **URL},
    {"type": "music_play", **URL},
    {"type": "music_stop"},
    {"type": "music_pause"},
    {"type": "music_resume"},
    {"type": "music_set_gain", "target": 0.2},
    {"type": "duck", "target": 0.2},
    {"type": "finish_tts_playback", "playbackId": "p1"},
    {"type": "subscribe_user", "userId": "42"},
    {"type": "subscribe_user", "userId": "42", "captureId": "k1"},
    {"type": "unsubscribe_user", "userId": "42"},
    {"type": "voice_server", "data": {"endpoint": "a.example", "token": "t1"}},
    {"type": "voice_server", "data": {"endpoint": "b.example", "token": "t2"}},
    {"type": "voice_state", "data": {"session_id": "s2"}},
    {"type": "stream_watch_disconnect"},
]
PLAYBACKS = ["p1", "p2", None]
ABOUT = {
    "player_state": "music",
    "music_idle": "music",
    "music_error": "music",
    "tts_playback_state": "speech",
    "connection_state": "call",
    "adapter_send": "call",
    "user_audio_end": "captures",
}
"""What an event is about; in what order news of different things come is nobody's promise."""
UNCOMPARED = {*TELEMETRY, "music_gain_reached"}
"""A gain is told to be reached while there is a connection, and its link may be lost before playback has it."""


class Orders(RuleBasedStateMachine):
    """One call that settles after each line, and one that is given all of them at once."""

    pieces = 0

    @initialize(version=st.integers(0, 1))
    def begin(self, version):
        self.calls = [Call(seed=1).connect(dave_version=version) for _ in range(2)]

    @rule(
        lines=st.lists(st.one_of(st.sampled_from(LINES), st.sampled_from(PLAYBACKS)), min_size=2, max_size=5),
        joins=st.booleans(),
        choices=st.lists(st.integers(0, 5), max_size=20),
    )
    def lines_are_written(self, lines, joins, choices):
        one_by_one, at_once = self.calls
        batch = [{"type": "join", "guildId": "10", "channelId": "21", "connectionId": "c2"}] * joins
        batch += [self.named(line) for line in lines]
        for line in batch:
            self.write(one_by_one, line)
            one_by_one.drain()
        for line in batch:
            self.write(at_once, line)
        for choice in choices:
            at_once.pump.step(lambda count, pick=choice: pick % count)
        at_once.drain()
        self.both_are_the_same(batch)

    def named(self, line):
        """Give each piece an id of its own: one that is replaced may end behind the beginning of the next."""
        if not isinstance(line, dict) or "musicId" not in line:
            return line
        self.pieces += 1
        return line | {"musicId": f"m{self.pieces}"}

    def write(self, call, line):
        if isinstance(line, dict):
            call.line(**line)
        else:
            call.audio(line, 100)

    @rule(seconds=st.sampled_from([0.1, 1.0, 3.1]))
    def time_passes(self, seconds):
        for call in self.calls:
            call.run(seconds)
        self.both_are_the_same([seconds])

    @rule(version=st.integers(0, 1))
    def handshake(self, version):
        if None in [call.server.attempt for call in self.calls]:
            return
        for call in self.calls:
            call.server.handshake(version)
        self.both_are_the_same(["handshake"])

    @rule()
    def somebody_speaks_and_music_comes(self):
        for call in self.calls:
            call.pipeline.packet(42)
            for source in call.sources.all:
                if not source.closed:
                    source.give(200)
            call.drain()
        self.both_are_the_same(["sound"])

    def both_are_the_same(self, after):
        one_by_one, at_once = [self.told(call) for call in self.calls]
        for thing in sorted(one_by_one.keys() | at_once.keys()):
            wanted, told = one_by_one.get(thing, []), at_once.get(thing, [])
            OutOfOrder.unless(wanted == told, f"after {after}: {wanted} in order, and {told} at once")
        wanted, told = [call.states() for call in self.calls]
        OutOfOrder.unless(wanted == told, f"after {after}: {wanted} in order, and {told} at once")

    @staticmethod
    def told(call):
        things = {}
        for kind, payload in call.frames():
            event = json.loads(payload) if kind == 0 else {"type": "pcm"}
            if event["type"] not in UNCOMPARED:
                about = ABOUT.get(event["type"], event["type"])
                things.setdefault((about, event.get("musicId", "")), []).append(event)
        return things


SUITES = {Orders: 150}
"""Examples of each."""


def test_lines_that_come_at_once_take_effect_one_after_the_other():
    run_suite(Orders, SUITES[Orders])
