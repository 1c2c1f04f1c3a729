"""Music, speech and the link in any order, on every interleaving: each thing that began is told to have ended, once."""

from itertools import cycle

from hypothesis import given
from hypothesis import strategies as st

from tests.support.call_machine import profile
from tests.support.factory import Call, short
from tests.support.kept_orders import keeping

EXAMPLES = 100
ENDS = ("drained", "stopped", "failed")
START = st.tuples(st.just("start"), st.booleans())
LONG = st.tuples(st.just("run"), st.just(2.0))
MUSIC = st.one_of(
    START,
    st.tuples(st.just("play"), st.booleans()),
    st.tuples(st.just("give"), st.sampled_from([20, 200, 2_000])),
    st.tuples(st.sampled_from(["end", "fail"])),
    st.tuples(st.sampled_from(["stop", "pause", "resume"]), st.booleans()),
    st.tuples(st.just("gain"), st.sampled_from([0.2, 1.0]), st.sampled_from([0, 150])),
    st.tuples(st.just("run"), st.sampled_from([0.02, 0.06, 0.3])),
)
STEPS = st.one_of(
    *[START] * 4,
    *[LONG] * 3,
    MUSIC,
    st.tuples(st.sampled_from(["say", "finish", "lose", "back", "stop_playback"])),
    st.tuples(st.just("duck"), st.sampled_from([0.2, 1.0])),
)
CHOICES = st.lists(st.integers(0, 5), min_size=1, max_size=40)
"""Who goes first of those who could, over and over."""


def turns(choices):
    """Return a pump's `choose`."""
    chosen = cycle(choices)
    return lambda count: next(chosen) % count


class Scene:
    """A call with music and speech; each piece and each playback has an id of its own."""

    def __init__(self) -> None:
        self.call = Call().connect()
        self.pieces: list[str] = []
        self.playbacks: list[str] = []
        self.told: list[str] = []
        self.up = True

    def look(self) -> None:
        self.told += short(self.call.events())

    def do(self, name, *values) -> None:
        getattr(self, f"do_{name}")(*values)

    def do_play(self, with_id) -> None:
        ids = {}
        if with_id:
            self.pieces.append(f"m{len(self.pieces)}")
            ids = {"musicId": self.pieces[-1]}
        self.call.line(type="music_play", url="https://example.com/a", resolvedDirectUrl=True, **ids)

    def do_start(self, with_id) -> None:
        """Let a piece have PCM at once."""
        self.do_play(with_id)
        self.call.drain()
        self.do_give(2_000)

    def do_give(self, ms) -> None:
        for source in self.call.sources.all:
            if not source.closed and not source.over:
                source.give(ms)

    def do_end(self) -> None:
        self._over("end")

    def do_fail(self) -> None:
        self._over("fail")

    def _over(self, how) -> None:
        for source in self.call.sources.all:
            if not source.closed and not source.over:
                source.over = True
                getattr(source, how)()

    def do_say(self) -> None:
        self.playbacks.append(f"p{len(self.playbacks)}")
        self.call.audio(self.playbacks[-1], 200)

    def do_finish(self) -> None:
        if self.playbacks:
            self.call.finish(self.playbacks[-1])

    def do_stop_playback(self) -> None:
        self.call.line(type="stop_playback")

    def do_stop(self, with_id) -> None:
        self._order("stop", with_id)

    def do_pause(self, with_id) -> None:
        self._order("pause", with_id)

    def do_resume(self, with_id) -> None:
        self._order("resume", with_id)

    def _order(self, what, with_id) -> None:
        ids = {"musicId": self.pieces[-1]} if with_id and self.pieces else {}
        self.call.line(type=f"music_{what}", **ids)

    def do_gain(self, target, fade_ms) -> None:
        self.call.line(type="music_set_gain", target=target, fadeMs=fade_ms)

    def do_duck(self, target) -> None:
        self.call.line(type="duck", target=target)

    def do_lose(self) -> None:
        if self.up:
            self.call.drain()
            self.call.server.lost()
            self.up = False

    def do_back(self) -> None:
        if not self.up:
            self.call.run(2.0)
            self.call.server.handshake(0)
            self.up = True

    def do_run(self, seconds) -> None:
        self.call.run(seconds)


@keeping
@profile(EXAMPLES)
@given(st.lists(STEPS, min_size=4, max_size=20), CHOICES)
def test_whatever_began_ends_once_and_nothing_stays_open(steps, choices):
    scene, turn = Scene(), turns(choices)
    for step in steps:
        scene.do(*step)
        scene.call.drain(turn)
        scene.look()
    scene.call.line(type="leave")
    scene.call.drain(turn)
    scene.look()
    for piece in scene.pieces:
        ends = [line for line in scene.told if line.startswith((f"music_idle {piece} ", f"music_error {piece} "))]
        assert len(ends) == 1, (piece, ends)
    for playback in scene.playbacks:
        ends = [line for line in scene.told for end in ENDS if line.startswith(f"tts_playback_state {playback} {end}")]
        assert ends
        assert len([line for line in ends if "already_failed" not in line and "stale" not in line]) <= 1
    assert scene.call.sources.open_attempts == []
    assert scene.call.state("music") == "idle"


@keeping
@profile(EXAMPLES)
@given(st.lists(MUSIC, max_size=6), st.lists(MUSIC, max_size=10), CHOICES)
def test_speech_that_is_finished_drains_once_whatever_music_does_before_and_in_its_tail(before, after, choices):
    scene, turn = Scene(), turns(choices)
    scene.do("duck", 0.2)  # so that speech is taken
    for step in before:
        scene.do(*step)
        scene.call.drain(turn)
    scene.do("say")
    scene.do("finish")
    for step in after:
        scene.do(*step)
        scene.call.drain(turn)
    scene.call.run(3.0, turn)
    scene.look()
    assert [line for line in scene.told if line.startswith("tts")] == [
        "tts_playback_state p0 buffered",
        "tts_playback_state p0 started",
        "tts_playback_state p0 drained",
    ]


def test_the_steps_reach_music_that_plays_to_its_end():
    scene = Scene()
    for step in (("play", True), ("give", 200), ("end",), ("run", 2.0)):
        scene.do(*step)
        scene.call.drain()
    scene.look()
    assert "player_state playing m0" in scene.told
    assert [line.split()[0] for line in scene.told[-3:]] == ["player_state", "music_idle", "playback_armed"]
