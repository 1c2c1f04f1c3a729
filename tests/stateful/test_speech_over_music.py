"""Every order of speech and music: a finished playback drains exactly once, and each piece has one end."""

from collections import Counter

import hypothesis.strategies as st
import pytest
from hypothesis import given
from hypothesis.stateful import precondition, rule

from clankvox.media.frame_ledger import FrameFate
from tests.support.call_machine import NIGHTLY, CallMachine, profile, run_suite
from tests.support.call_rules import Speech
from tests.support.factory import Call
from tests.support.kept_orders import keeping


class SpeechOverMusic(Speech, CallMachine):
    """Playbacks and pieces over a way out that comes and goes."""

    pieces = 0
    talks = 0

    def prepare(self, version):
        self.connect(version)
        if version:
            self.server.members(42)
            self.server.welcome(0)
        self.call.drain()
        self.ends = Counter()
        self.played = set()

    @rule(ms=st.sampled_from([10, 60, 400]), room=st.sampled_from([None, 0.3]))
    def talk(self, ms, room):
        """Go on with what is said, or begin something new; mostly where there is room for it."""
        if room is not None:
            self.call.line(type="duck", target=room)
        self.talks += self.watcher.open_playback is None
        self.call.audio(self.watcher.open_playback or f"t{self.talks}", ms)

    # --- music ---

    @rule(named=st.booleans(), ms=st.sampled_from([0, 20, 400, 2_000]), ends=st.booleans())
    def play(self, named, ms, ends):
        self.pieces += 1
        ids = {"musicId": f"m{self.pieces}"} if named else {}
        self.call.line(type="music_play", url="https://example.com/a", resolvedDirectUrl=True, **ids)
        self.call.drain()
        if ms:
            self.call.sources.last.give(ms)
        if ends:
            self.call.sources.last.end()

    @precondition(lambda self: self.call.sources.all)
    @rule(ms=st.sampled_from([20, 100, 2_000]))
    def give(self, ms):
        source = self.call.sources.last
        if not source.closed and not source.buffer.finished:
            source.give(ms)

    @precondition(lambda self: self.call.sources.all)
    @rule(fail=st.booleans())
    def source_is_over(self, fail):
        source = self.call.sources.last
        if source.closed or source.buffer.finished:
            return
        source.fail() if fail else source.end()

    @rule(what=st.sampled_from(["pause", "resume", "stop"]))
    def order(self, what):
        self.call.line(type=f"music_{what}")

    @rule(level=st.sampled_from([0.0, 0.5, 1.0]), fade_ms=st.sampled_from([0, 30, 500]))
    def gain(self, level, fade_ms):
        self.call.line(type="music_set_gain", target=level, fadeMs=fade_ms)

    @rule(level=st.sampled_from([0.3, 1.0]))
    def duck(self, level):
        self.call.line(type="duck", target=level, attackMs=40, releaseMs=100)

    # --- the way out ---

    @rule()
    def link_lost_and_made_anew(self):
        if self.is_open:
            self.server.lost()
            self.call.run(1.2)
        if self.is_open:
            self.server.handshake(0)

    @rule()
    def change_of_key(self):
        if self.is_open and self.call.cipher.group_ready:
            self.server.commit(0)

    # --- the promises ---

    @precondition(lambda self: self.watcher.open_playback is not None)
    @rule(music_goes_on=st.booleans())
    def a_finished_playback_drains_in_its_time(self, music_goes_on):
        self.rest()
        name = self.watcher.open_playback
        if name is None or not self._way_is_open() or self.call.udp.broken:
            return
        self.call.finish(name)
        self.call.drain()
        left_s = self.call.playback._buffer.buffered_samples / 48_000
        for _ in range(int(left_s / 0.1) + 5):
            if music_goes_on and self.call.sources.all:
                self.give(100)
            self.server.acknowledge()
            self.call.run(0.1)
        self.promises_hold()
        if self._way_is_open():
            assert self.watcher.open_playback is None, "speech that is over and not drained"

    def promises_hold(self):
        if not hasattr(self, "call") or not hasattr(self, "ends"):
            return
        frames = self.call.frames()
        self.watcher.see(frames)
        for event in self.watcher.decoded(frames):
            name = event.get("musicId")
            if name is not None and event["type"] in ("music_idle", "music_error"):
                self.ends[name] += 1
                assert self.ends[name] == 1, "a piece that ends twice"
        self.call.ledger.check(self.call.playback._transmission.pending_frames)
        self.call.left()
        assert self.call.leaks == [], "a frame left in clear"

    def speech_comes_to_its_end(self):
        """Whatever music is doing: a finished playback is over within its length and a second."""
        super().speech_comes_to_its_end()
        self.call.line(type="stop_playback")
        for _ in range(4):
            self.server.acknowledge()
            self.call.run(1.0)
        self.promises_hold()
        assert self.call.state("music") == "idle"
        assert self.call.playback._mixer.buffered_samples == 0
        assert not self.call.playback._tracks._accounts or not self._way_is_open()
        if self._way_is_open():
            assert self.call.pacer.due() is None, "something is left in the pacer"
            assert self.call.ledger.pending == 0
            assert self.call.ledger.made == sum(self.call.ledger.fates[fate] for fate in FrameFate)

    def _way_is_open(self):
        return self.call.state("connection") in ("ready", "dave_transition") and self.call.cipher.gate != "closed"


SUITES = {SpeechOverMusic: 60}
"""Examples of each."""


@pytest.mark.timeout(0 if NIGHTLY else 600)
def test_every_order_of_speech_and_music_keeps_the_promises():
    run_suite(SpeechOverMusic, SUITES[SpeechOverMusic])


MUSIC_STEPS = st.lists(
    st.tuples(
        st.sampled_from(["play", "play", "pause", "resume", "stop", "gain", "starve", "end", "fail", "nothing"]),
        st.sampled_from([0.0, 0.01, 0.05, 0.12]),
    ),
    max_size=10,
)


class Air:
    """A call in which music is fed as its source would, and steps of it are taken at any moment."""

    def __init__(self):
        self.call = Call().connect()
        self.call.line(type="duck", target=0.3, attackMs=40, releaseMs=100)
        self.starved = False
        self.pieces = 0

    def step(self, what, wait_s):
        match what:
            case "play":
                self.pieces += 1
                self.call.line(type="music_play", musicId=f"m{self.pieces}", url="u", resolvedDirectUrl=True)
                self.call.drain()
                self.starved = False
            case "pause" | "resume" | "stop":
                self.call.line(type=f"music_{what}")
            case "gain":
                self.call.line(type="music_set_gain", target=0.5, fadeMs=60)
            case "starve":
                self.starved = True
            case "end" | "fail":
                for source in self.open_sources():
                    source.end() if what == "end" else source.fail()
        self.run(wait_s)

    def open_sources(self):
        return [source for source in self.call.sources.all if not source.closed and not source.buffer.finished]

    def run(self, seconds):
        if not self.starved:
            for source in self.open_sources():
                source.give(2_000)
        self.call.run(seconds)

    def ends_of(self, playback_id):
        return [
            event["status"]
            for event in self.call.events()
            if event.get("playbackId") == playback_id and event["status"] not in ("buffered", "started")
        ]


@keeping
@profile(60)
@given(MUSIC_STEPS, MUSIC_STEPS, st.sampled_from([20, 90, 200]))
def test_whatever_music_does_before_in_and_after_it_a_finished_playback_drains_exactly_once(before, after, ms):
    air = Air()
    for step in before:
        air.step(*step)
    air.call.audio("p1", ms)
    air.call.finish("p1")
    air.run(0.0)
    for step in after:
        air.step(*step)
    over_s = (ms + 100) / 1000 + 0.1  # its length, five slots, and a few between the actors
    air.starved = False
    for _ in range(int(over_s / 0.05)):
        air.run(0.05)
    ends = air.ends_of("p1")
    assert ends == ["drained"]
    air.step("stop", 1.5)
    assert air.ends_of("p1") == []
