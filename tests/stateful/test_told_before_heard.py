"""PCM goes straight to the parent, and what it must know first by way of two actors: in whatever order these run."""

import json
from collections import Counter

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.support.factory import Call
from tests.support.kept_orders import keeping

ALICE, BOB = 42, 43
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["packet", "packet", "pause", "silence", "lull", "again", "actor", "actor", "settle", "take"]),
        st.sampled_from([ALICE, BOB]),
        st.integers(0, 3),
    ),
    min_size=20,
    max_size=80,
)


class Story:
    """What users do, what of it is put for the parent, and what the parent reads."""

    def __init__(self):
        self.call = Call().connect(connection_id=None)
        self.began, self.opened = Counter(), Counter()
        self.put = {ALICE: [], BOB: []}
        """For each piece of PCM of a user: how often he had begun to speak, and how many utterances came before."""
        self.read = {ALICE: [], BOB: []}
        self._watch(self.call.pipeline._facts)
        for user in (ALICE, BOB):
            self.call.line(type="subscribe_user", userId=str(user))
        self.call.drain()

    def _watch(self, facts):
        speaking_started, speech_started = facts.speaking_started, facts.speech_started
        put_audio = self.call.outbox.put_audio

        def began(user):
            self.began[user] += 1
            speaking_started(user)

        def opened(user, arming):
            self.opened[user] += 1
            speech_started(user, arming)

        def put(stream, frame, duration_ms, user):
            self.put[user].append((self.began[user], self.opened[user] - 1))
            return put_audio(stream, frame, duration_ms, user)

        facts.speaking_started, facts.speech_started, self.call.outbox.put_audio = began, opened, put

    def do(self, step, user, choice):
        match step:
            case "packet":
                self.call.pipeline.packet(user)
            case "pause" | "silence" | "lull":
                getattr(self.call.pipeline, step)(user)
            case "again":
                self.call.line(type="unsubscribe_user", userId=str(user))
                self.call.line(type="subscribe_user", userId=str(user))
            case "actor":
                self.call.pump.step(lambda _count: choice)
            case "settle":
                self.call.drain()
            case "take":
                self.take()

    def take(self):
        for frame_format, payload in self.call.frames():
            if frame_format == 1:
                self.read[int.from_bytes(payload[:8], "little")].append("pcm")
            elif "userId" in (event := json.loads(payload)):
                self.read[int(event["userId"])].append(event["type"])

    def heard_after(self, user):
        """For each piece of PCM that was read: how many starts and ends of utterances had been read before."""
        told, pieces = Counter(), []
        for what in self.read[user]:
            if what == "pcm":
                pieces.append((told["speaking_start"], told["user_audio_end"]))
            told[what] += 1
        return pieces


@keeping
@settings(max_examples=200, deadline=None)
@given(STEPS)
@example(
    [(step, ALICE, 1) for step in ("packet", "settle", "lull", "actor", "actor", "packet", "take", "settle", "packet")]
)
@example(
    [(step, ALICE, 0) for step in ("packet", "settle", "again", "actor", "actor", "actor", "actor", "packet", "take")]
)
def test_pcm_comes_behind_its_speaking_start_and_behind_the_end_of_the_utterance_before_and_all_of_it(steps):
    story = Story()
    for step in steps:
        story.do(*step)
    story.call.drain()
    story.take()
    for user in (ALICE, BOB):
        assert len(story.heard_after(user)) == len(story.put[user])
        for (starts_told, ends_told), (began, before) in zip(story.heard_after(user), story.put[user], strict=True):
            assert starts_told >= began
            assert ends_told == before
