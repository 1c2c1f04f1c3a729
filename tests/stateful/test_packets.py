"""Packets in any order with all else: real ones, through the real receive pipeline, between actors that are stepped."""

import hypothesis.strategies as st
from hypothesis.stateful import precondition, rule

from clankvox.ledger import Fate, LedgerImbalance
from tests.support.call_machine import CallMachine, run_suite
from tests.support.call_rules import USERS, Group, Listening, Resumes
from tests.support.factory import Call
from tests.support.promises import NotHeard, Unbalanced
from tests.support.wire_pipeline import EpochEngine, WirePipeline

ON_THE_WAY = ["ok", "ok", "ok", "lost", "twice", "swapped", "ahead", "clear", "garbage", "padding"]
NOT_HEARD = (Fate.NO_KEY, Fate.NO_GROUP, Fate.UNKNOWN_SSRC, Fate.DISCARDED)


class Packets(Listening, Resumes, Group, CallMachine):
    """Those who speak, those who are subscribed to, and a network and a group between them."""

    def new_call(self, seed):
        return Call(EpochEngine, seed, WirePipeline)

    def prepare(self, version):
        self.connect(version)
        self.server.members(42, 43)
        self.server.welcome(0)
        self.call.drain()

    def rest(self):
        self.call.pipeline.poll(self.call.clock.now())
        super().rest()
        self.every_packet_has_one_fate()

    def every_packet_has_one_fate(self):
        try:
            for report in self.call.pipeline.reports():
                report.ledger.check(report.pending)
            self.call.pipeline.ended_streams().check(0)
        except LedgerImbalance as imbalance:
            raise Unbalanced(str(imbalance)) from imbalance

    @precondition(lambda self: not self.is_open)
    @rule(version=st.integers(0, 1))
    def whole_connection(self, version):
        self.connect(version)

    @rule(user=USERS, packets=st.lists(st.sampled_from(ON_THE_WAY), min_size=1, max_size=12), rest=st.booleans())
    def somebody_speaks(self, user, packets, rest):
        for what in packets:
            self.call.pipeline.packet(user, what)
        self.maybe(rest)

    @rule(user=USERS)
    def whoever_is_subscribed_is_heard(self, user):
        """Of ten packets in a row, some at least: an utterance takes a moment to begin anew."""
        self.rest()
        armed = self.call.states().get(str(user)) in ("armed", "capturing")
        open_now = self.call.pipeline.sealer is not None and self.call.cipher.gate != "closed"
        for _ in range(10):
            self.call.pipeline.packet(user)
            self.call.drain()
        frames = self.call.frames()
        self.watcher.see(frames)
        heard = [payload for kind, payload in frames if kind == 1 and payload[:8] == user.to_bytes(8, "little")]
        if open_now:
            NotHeard.unless(bool(heard) == armed, f"{user} is {'heard' if heard else 'not heard'}")

    @precondition(lambda self: self.is_open)
    @rule(user=USERS, packets=st.integers(1, 10))
    def what_comes_ahead_of_its_key_is_heard_behind_it(self, user, packets):
        """A commit and the frames of its epoch come by different ways."""
        self.whoever_is_subscribed_is_heard(user)
        self.rest()
        pipeline = self.call.pipeline
        if not self.call.cipher.group_ready or pipeline.epoch is None or pipeline.sealer is None:
            return
        before = pipeline.all_streams()
        for _ in range(packets):
            pipeline.packet(user, "ahead")
        self.server.commit(0)
        self.rest()
        for _ in range(8):
            pipeline.tick()
        after = pipeline.all_streams()
        lost = {str(fate): after.fates[fate] - before.fates[fate] for fate in NOT_HEARD}
        NotHeard.unless(not any(lost.values()), f"{lost} of {packets} packets that were ahead of their key")


SUITES = {Packets: 80}
"""Examples of each."""


def test_packets_in_any_order_with_all_else_have_one_fate_and_are_heard():
    run_suite(Packets, SUITES[Packets])
