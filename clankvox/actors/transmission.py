"""One outgoing Opus stream: a plain object of the actor that makes its frames, on that actor's thread.

It asks for the frame of the next slot, and for those behind it that nothing which may still come can change, seals
and arms them; the pacer sends them. What was prepared and did not leave (a stop, a change of key, a lost link) gives
back its place in the stream, and is sealed anew. It knows nothing of what is in the frames: speech, music and a
stream's sound are all the same to it.
"""

import logging
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple, Protocol

from clankvox.actors.output import Output
from clankvox.clock import SLOT_S
from clankvox.errors import MlsError, TransportLost
from clankvox.fsm.base import Transition, unobserved
from clankvox.fsm.transmission import Flow, TransmissionMachine
from clankvox.ids import Ssrc
from clankvox.media.frame_cipher import Gate
from clankvox.media.frame_ledger import FrameFate
from clankvox.media.packet_sealer import PacketSealer
from clankvox.media.rtp_sender import OpusFrame, RtpSender, SealedPacket
from clankvox.media.silence_tail import SilenceTail
from clankvox.ports import AHEAD_SLOTS, PreparedPacket, SendOutcome, SlotReport
from clankvox.wire.rtp import OPUS_PAYLOAD_TYPE

_log = logging.getLogger("clankvox.transmission")

FAILURE_LIMIT: Final = 25
"""Half a second of frames in a row that could not be encrypted or sent: no hiccup any more."""
NOT_SENT: Final = "the packets could not be sent"
NOT_ENCRYPTED: Final = "the frames could not be encrypted"


class FrameMaker(Protocol):
    """The actor: what a Transmission asks of it and tells it. All on the actor's thread but `slot_served`."""

    def next_frame(self, deadline_s: float) -> OpusFrame | None:
        """Return what the slot that is due at `deadline_s` shall carry; None for nothing. Called once per slot."""
        ...

    def frame_ahead(self, deadline_s: float) -> OpusFrame | None:
        """Return the same for a later slot, if it is certain already; None if it is not: it will be asked for again."""
        ...

    def frame_over(self, frame: OpusFrame, fate: FrameFate) -> None:
        """Hear that the slot of `frame` is over, or that it will never have one."""
        ...

    def speaking_changed(self, ssrc: Ssrc, *, speaking: bool) -> None:
        """Hear that packets begin to leave, or end."""
        ...

    def nothing_to_send(self) -> None:
        """Hear that the slot to come stays empty: look again when there may be a frame."""
        ...

    def way_broken(self, what: str, *, again: bool) -> None:
        """Hear that nothing got through for half a second, and why; `again`: it was told and nothing left since."""
        ...

    def slot_served(self, path: int, report: SlotReport) -> None:
        """Hand the report to `Transmission.on_slot` on the actor's own thread. Pacer thread."""
        ...


class _Leaving(NamedTuple):
    """A packet that the pacer had taken before it could be taken back: its outcome is still to come."""

    packet: SealedPacket
    wanted: bool
    """Whether it is to be sent anew if it did not leave."""


class _NotSealed(Exception):
    """A frame was taken from its maker and could not be sealed."""


class Transmission:
    """One SSRC's way out, from one path to the next. Not thread-safe: the actor owns it."""

    def __init__(self, output: Output, maker: FrameMaker, observe: Callable[[Transition], None] = unobserved) -> None:
        self._machine = TransmissionMachine(observe)
        self._output = output
        self._cipher = output.cipher
        self._ledger = output.ledger
        self._maker = maker
        self._tail = SilenceTail()
        self._unsent: deque[OpusFrame] = deque()
        self._path = 0
        self._ssrc = Ssrc(0)
        self._sender: RtpSender | None = None
        self._armed: deque[SealedPacket] = deque()
        self._leaving: list[_Leaving] = []
        self._failures_in_a_row = 0
        self._failed_by: set[str] = set()
        """What was told since the last packet that left."""

    @property
    def flow(self) -> Flow:
        """Whether packets leave."""
        return Flow(self._machine.current_state_value)

    @property
    def is_closed(self) -> bool:
        """Whether there is no way out, not even one that may come back."""
        return self.flow is Flow.CLOSED

    @property
    def is_ticking(self) -> bool:
        """Whether every slot is filled."""
        return self.flow is Flow.TICKING

    @property
    def view(self) -> dict[str, object]:
        """What the actor says of it when it describes itself."""
        return {"flow": str(self.flow), "pending_frames": self.pending_frames}

    @property
    def owes(self) -> bool:
        """Whether frames that were made, or the silence behind them, are still to leave."""
        return self.pending_frames > 0 or self._tail.owed > 0

    @property
    def has_unsent(self) -> bool:
        """Whether frames wait to be sealed anew."""
        return bool(self._unsent)

    @property
    def pending_frames(self) -> int:
        """Frames that were made and have no fate yet."""
        return len(self._unsent) + len(self._armed) + len(self._leaving)

    # --- the path ---

    def open(self, ssrc: Ssrc, sealer: PacketSealer) -> None:
        """Send as `ssrc` from now on; an older path is over."""
        self._halt()
        self._path += 1
        self._ssrc = ssrc
        self._sender = sealer.sender_of(ssrc, lambda: self._new_sender(ssrc, sealer))
        self._machine.path_opened()
        self._begin_row()
        self.begin()

    def _new_sender(self, ssrc: Ssrc, sealer: PacketSealer) -> RtpSender:
        output = self._output
        return RtpSender(ssrc, OPUS_PAYLOAD_TYPE, sealer, output.rng, cipher=output.cipher, transmit=output.transmit)

    def suspend(self) -> None:
        """Stop while the link is lost; what was prepared is kept."""
        self._halt()
        if self.flow is not Flow.CLOSED:
            self._machine.path_suspended()

    def close(self) -> None:
        """Stop for good: nothing is kept but the silence that is owed, which leaves at once."""
        self._halt()
        if self.flow is Flow.RESTING and self._sender is not None:
            self._end_talkspurt(self._sender)
        self._machine.path_closed()
        self._sender = None
        self._tail.forget()
        self.retract(armed=False)

    # --- slots ---

    def begin(self) -> None:
        """Send the first packet of a talkspurt at once, if there is one and it may leave."""
        if self.flow is not Flow.RESTING or self._cipher.gate is Gate.CLOSED:
            return
        try:
            packet = self._prepare(self._maker.next_frame)
        except _NotSealed:
            packet = None
        if packet is None:
            self._maker.nothing_to_send()
            return
        self._armed.append(packet)
        path, slot_served = self._path, self._maker.slot_served
        self._output.pacer.subscribe(self._ssrc, lambda report: slot_served(path, report), packet)
        self._machine.talkspurt_begun()  # behind the packet, which leaves at once: a transition takes its time
        self._maker.speaking_changed(self._ssrc, speaking=True)

    def on_slot(self, path: int) -> None:
        """Settle the packets whose slots are over, and fill the slots to come."""
        self.settle()
        if path == self._path:
            self._go_on()

    def renew(self) -> None:
        """Seal anew what a change of key or gate made stale, before its slots come."""
        self.settle()
        self._go_on()

    def settle(self) -> None:
        """Enter what became of the packets whose slots are over; the pacer does not tell every one."""
        if not self._leaving and not (self._armed and self._armed[0].outcome is not None):
            return
        over = [each for each in self._leaving if each.packet.outcome is not None]
        self._leaving = [each for each in self._leaving if each.packet.outcome is None]
        while self._armed and self._armed[0].outcome is not None:
            over.append(_Leaving(self._armed.popleft(), wanted=True))
        stale = [each for each in over if each.packet.outcome is SendOutcome.STALE]
        if stale:
            self._withdraw()
        for packet, wanted in reversed(stale):
            self._give_back(packet)
            if wanted:
                self._unsent.appendleft(packet.frame)
        for packet, wanted in over:
            self._account(packet, wanted=wanted)

    def retract(self, *, armed: bool) -> None:
        """Drop the frames that wait to be sealed anew, and with `armed` also those in their slots.

        The silence that was owed before is still owed, and the next slot is filled anew.
        """
        self.settle()
        self._drop_unsent()
        self._leaving = [leaving._replace(wanted=False) for leaving in self._leaving]
        if not armed or self.flow is not Flow.TICKING:
            return
        for frame in self._take_back(self._output.pacer.disarm(self._ssrc), wanted=False):
            self._over(frame, FrameFate.DROPPED)
            if frame.is_silence:
                self._tail.give_back()
        self._go_on()

    def _go_on(self) -> None:
        """Fill the next slot, whatever it carries, and those behind it with what is certain already."""
        while self.flow is Flow.TICKING and len(self._armed) < AHEAD_SLOTS:
            if self._is_stale:
                self._withdraw()
            if any(leaving.wanted for leaving in self._leaving):
                return  # it may have to go before all others, and is reported in a moment
            if not self._prepare_next():
                return

    @property
    def _is_stale(self) -> bool:
        return bool(self._armed) and self._armed[-1].generation != self._cipher.generation

    def _halt(self) -> None:
        """Stop ticking; what was prepared and has not left is kept, but for silence."""
        self.settle()
        if self.flow is not Flow.TICKING:
            return
        self._machine.talkspurt_ended()
        for frame in reversed(self._take_back(self._output.pacer.unsubscribe(self._ssrc), wanted=True)):
            if frame.is_silence:
                self._over(frame, FrameFate.DROPPED)
                self._tail.give_back()
            else:
                self._unsent.appendleft(frame)
        self._maker.speaking_changed(self._ssrc, speaking=False)

    def _end_talkspurt(self, sender: RtpSender) -> None:
        """Send the silence that is owed, with the timestamps of the slots to come: no slot follows any more."""
        due_s, generation = self._output.pacer.next_deadline(self._ssrc), self._cipher.generation
        while self._cipher.gate is not Gate.CLOSED and (silence := self._tail.next_frame()) is not None:
            try:
                sealed = self._cipher.seal_opus(silence)
                if sealed is None:
                    return
                frame = OpusFrame(silence, audible=False)
                if sender.prepare(sealed, due_s, generation, frame).send() is not SendOutcome.SENT:
                    return
            except (MlsError, TransportLost):
                return
            self._ledger.made += 1
            self._ledger.settle(FrameFate.SENT)
            due_s += SLOT_S

    def _withdraw(self) -> None:
        """Take back all that has not left, to be sealed anew."""
        frames = self._take_back(self._output.pacer.disarm(self._ssrc), wanted=True)
        self._unsent.extendleft(reversed(frames))

    def _take_back(self, packets: list[PreparedPacket], *, wanted: bool) -> list[OpusFrame]:
        """Return the frames of `packets`, which the pacer gave back; it had taken all others of those in their slots.

        In the order of their slots; their places are given back.
        """
        returned = [packet for packet in packets if isinstance(packet, SealedPacket)]
        for packet in reversed(returned):
            self._give_back(packet)
            self._armed.pop()
        self._leaving += [_Leaving(packet, wanted) for packet in self._armed]
        self._armed.clear()
        return [packet.frame for packet in returned]

    def _account(self, packet: SealedPacket, *, wanted: bool) -> None:
        """Enter what became of a packet that has an outcome; what is sealed anew has no fate yet."""
        match packet.outcome:
            case SendOutcome.SENT:
                self._begin_row()
                self._over(packet.frame, FrameFate.SENT)
            case SendOutcome.STALE:
                if not wanted:
                    self._over(packet.frame, FrameFate.DROPPED)
            case _:
                self._give_back(packet)
                self._over(packet.frame, FrameFate.REFUSED)
                self._count_failure(NOT_SENT)

    def _give_back(self, packet: SealedPacket) -> None:
        if self._sender is not None:
            self._sender.give_back(packet)

    def _prepare_next(self) -> bool:
        """Fill one slot more; False if there is nothing to fill it with."""
        ahead = bool(self._armed)
        try:
            packet = self._prepare(self._maker.frame_ahead if ahead else self._maker.next_frame, ahead=ahead)
        except _NotSealed:
            return False  # the slot stays empty, and the next one is tried
        if packet is None and not ahead:
            self._halt()
            self._maker.nothing_to_send()
        if packet is None:
            return False
        if self._armed and self._armed[-1].generation != packet.generation:  # changed meanwhile: all anew, in order
            self._give_back(packet)
            self._unsent.appendleft(packet.frame)
            return True
        self._armed.append(packet)
        if not self._output.pacer.arm(self._ssrc, packet):
            _log.error("no slot for a packet")
        return True

    def _prepare(self, make: Callable[[float], OpusFrame | None], *, ahead: bool = False) -> SealedPacket | None:
        """Seal what the next free slot shall carry; None if nothing is to be sent, or nothing may leave.

        Raises _NotSealed when a frame was lost because it could not be sealed; there may be more.
        """
        if self._cipher.gate is Gate.CLOSED or self._sender is None:
            return None
        deadline_s = self._output.pacer.next_deadline(self._ssrc)
        frame = self._next_frame(make, deadline_s, ahead=ahead)
        if frame is None:
            return None
        generation = self._cipher.generation
        try:
            payload = self._cipher.seal_opus(frame.payload)
            if payload is None:
                self._unsent.appendleft(frame)
                return None
            return self._sender.prepare(payload, deadline_s, generation, frame)
        except (MlsError, TransportLost):
            self._over(frame, FrameFate.UNSEALED)
            self._count_failure(NOT_ENCRYPTED)
            raise _NotSealed from None

    def _next_frame(
        self, make: Callable[[float], OpusFrame | None], deadline_s: float, *, ahead: bool
    ) -> OpusFrame | None:
        if self._unsent:
            self._ledger.resealed += 1
            return self._unsent.popleft()
        frame = make(deadline_s)
        if frame is not None:
            self._tail.audio_went()
        elif not ahead and (silence := self._tail.next_frame()) is not None:
            frame = OpusFrame(silence, audible=False)
        if frame is not None:
            self._ledger.made += 1
        return frame

    def _drop_unsent(self) -> None:
        while self._unsent:
            self._over(self._unsent.popleft(), FrameFate.DROPPED)

    def _over(self, frame: OpusFrame, fate: FrameFate) -> None:
        self._ledger.settle(fate)
        self._maker.frame_over(frame, fate)

    def _begin_row(self) -> None:
        self._failures_in_a_row = 0
        self._failed_by.clear()

    def _count_failure(self, what: str) -> None:
        self._failures_in_a_row += 1
        if self._failures_in_a_row % FAILURE_LIMIT == 0:
            again = what in self._failed_by
            self._failed_by.add(what)
            if not again:
                _log.warning("nothing got through for half a second", extra={"fields": {"why": what}})
            self._maker.way_broken(what, again=again)
