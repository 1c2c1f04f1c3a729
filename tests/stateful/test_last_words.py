"""Who leaves is heard to the end, whatever the group does meanwhile: real groups, real packets, both libraries."""

from collections import deque

import pytest

from clankvox.actors.farewells import FAREWELL_LIMIT_S, FAREWELL_S, READ_OUT_LIMIT_S
from clankvox.ids import Ssrc, UserId
from clankvox.ledger import Fate
from clankvox.wire.gateway_ops import Op
from tests.support.factory import SELF, short
from tests.support.fake_server import KEY
from tests.support.hearing import Talker, opus_packets
from tests.support.room_call import RoomCall
from tests.support.wire_pipeline import WirePipeline

LEAVER, OTHER, NEWCOMER = 42, 43, 44
SPEECH = opus_packets(0.5)


class HearingRoom(RoomCall):
    """We hear the leaver; what we answer to a transition can be kept from the server, so that op 22 is late."""

    def __init__(self, library: str, *, alone: bool) -> None:
        self.kept: list | None = None
        self.starved = False
        self.socket: deque[bytes] = deque()
        """Datagrams that were received and not read yet: the UDP thread reads them when it is woken, or in its turn."""
        super().__init__(make_pipeline=WirePipeline)
        if not alone:
            self.join(OTHER)
        self.join(LEAVER, library)
        self.run()
        self.member = self.members[LEAVER]
        self.call.line(type="subscribe_user", userId=str(LEAVER))
        self.call.drain()
        self.pipeline = self.call.pipeline
        self.call.cipher._wake = self.read_out
        self.pipeline.hint(Ssrc(7), UserId(LEAVER))
        self.talker = Talker(7, self.member)
        self.talker.sealer = self.pipeline.sealer.__class__(self.pipeline.sealer._mode, KEY)
        self.words = 0

    def says(self, count: int) -> list[bytes]:
        self.words += count
        return self.talker.packets(SPEECH[:count])

    def hear(self, datagrams: list[bytes]) -> None:
        for datagram in datagrams:
            self.socket.append(datagram)
            self.pass_time(0.02)

    def read_out(self) -> None:
        if self.starved:
            return
        while self.socket:
            self.pipeline.feed(self.socket.popleft(), self.call.clock.now())
        for _ in range(2):
            self.pipeline.poll(self.call.clock.now())

    def pass_time(self, seconds: float) -> None:
        for _ in range(round(seconds / 0.02)):
            self.call.run(0.02)
            self.read_out()
            self._listen()
            self.flush()

    def keep_answers(self) -> None:
        self.kept = []

    def let_answers_go(self) -> None:
        kept, self.kept = self.kept, None
        self._up[SELF].extendleft(reversed(kept or []))

    def _listen(self) -> None:
        super()._listen()
        if self.kept is not None:
            answers = self._up[SELF]
            self.kept += [answer for answer in answers if answer.op is Op.TRANSITION_READY]
            self._up[SELF] = type(answers)(answer for answer in answers if answer.op is not Op.TRANSITION_READY)

    def goodbye(self) -> list[str]:
        told = ("speaking_end", "user_audio_end", "client_disconnect")
        return sorted(line for line in short(self.call.events()) if line.startswith(told))


def op_13_overtakes(room):
    room.socket.extend(room.says(5))
    room.leave(LEAVER)
    room.flush()


def op_22_is_still_to_come(room):
    room.keep_answers()
    room.join(NEWCOMER)
    room.flush()
    room.hear(room.says(3))
    room.socket.extend(room.says(2))
    room.leave(LEAVER)
    room.flush()
    room.pass_time(0.2)
    room.let_answers_go()


def op_22_comes_right_behind(room):
    room.keep_answers()
    room.join(NEWCOMER)
    room.flush()
    held = room.says(3)
    room.hear(held)
    room.let_answers_go()
    room.leave(LEAVER)
    room.flush()


def his_key_comes_and_goes_before_we_get_time(room):
    room.keep_answers()
    room.join(NEWCOMER)
    room.flush()
    room.hear(room.says(3))
    room.starved = True
    room.let_answers_go()
    room.flush()
    room.leave(LEAVER)
    room.flush()
    room.pass_time(2 * READ_OUT_LIMIT_S)
    room.starved = False


def a_stall_comes_right_behind_op_13(room):
    room.socket.extend(room.says(5))
    room.starved = True
    room.leave(LEAVER)
    room.flush()
    room.call.clock.advance(2.0)
    room.call.run(0.02)
    room.flush()
    room.starved = False


def all_leave_amid_a_change(room):
    room.keep_answers()
    room.join(NEWCOMER)
    room.flush()
    room.hear(room.says(3))
    room.socket.extend(room.says(2))
    for user in (LEAVER, OTHER, NEWCOMER):
        if user in room.members:
            room.leave(user)
    room.flush()
    room.let_answers_go()
    room.flush()


@pytest.mark.parametrize("library", ["davey", "libdave"])
@pytest.mark.parametrize("alone", [False, True])
@pytest.mark.parametrize(
    "leaves",
    [
        op_13_overtakes,
        op_22_is_still_to_come,
        op_22_comes_right_behind,
        his_key_comes_and_goes_before_we_get_time,
        a_stall_comes_right_behind_op_13,
        all_leave_amid_a_change,
    ],
)
def test_all_that_was_sent_before_the_leaving_was_told_is_heard(leaves, alone, library):
    room = HearingRoom(library, alone=alone)
    room.hear(room.says(10))
    leaves(room)
    room.pass_time(FAREWELL_LIMIT_S + FAREWELL_S)
    room.run()
    ledger = room.pipeline.all_streams()
    assert {fate: count for fate, count in ledger.fates.items() if count} == {Fate.DECODED: room.words}
    frames = [frame_format for frame_format, _ in room.call.frames() if frame_format == 1]
    assert len(frames) == room.words
    assert room.call.leaks == []


@pytest.mark.parametrize("library", ["davey", "libdave"])
def test_a_farewell_has_an_end_behind_which_nothing_comes(library):
    room = HearingRoom(library, alone=False)
    room.hear(room.says(10))
    late = room.says(2)
    room.leave(LEAVER)
    room.flush()
    room.pass_time(2 * FAREWELL_S)
    assert room.goodbye() == ["client_disconnect 42", "speaking_end 42", "user_audio_end 42"]
    room.hear(late)
    assert room.goodbye() == []
    assert room.pipeline.all_streams().fates[Fate.DECODED] == room.words - len(late)


@pytest.mark.parametrize("library", ["davey", "libdave"])
def test_what_was_sealed_before_a_group_begins_anew_opens_behind_it(library):
    room = HearingRoom(library, alone=False)
    room.hear(room.says(10))
    room.keep_answers()
    room.join(NEWCOMER)
    room.flush()
    room.hear(room.says(3))
    room.call.server.prepare_epoch()
    room.call.drain()
    assert not room.call.cipher.group_ready
    room.hear(room.says(3))
    assert room.pipeline.all_streams().fates[Fate.DECODED] == room.words


def test_the_last_utterance_of_who_leaves_is_described_as_any_other():
    room = HearingRoom("davey", alone=False)
    room.call.line(type="subscribe_user", userId=str(LEAVER), timeline=True)
    room.call.drain()
    room.hear(room.says(10))
    room.leave(LEAVER)
    room.flush()
    room.pass_time(2 * FAREWELL_S)
    told = [
        event for event in room.call.events() if event["type"] in ("segment", "user_audio_end", "client_disconnect")
    ]
    assert sorted(event["type"] for event in told) == ["client_disconnect", "segment", "user_audio_end"]
    segment = next(event for event in told if event["type"] == "segment")
    assert segment["endMs"] - segment["startMs"] == pytest.approx(200)
