"""One SSRC: whose it is, what could not be opened yet, and the order of what could."""

import math
from collections import deque
from functools import cmp_to_key
from typing import Final, NamedTuple

from clankvox.ids import Ssrc, UserId
from clankvox.ledger import Fate, ReceiveTotals, StreamLedger
from clankvox.media.alarm import Alarm
from clankvox.media.failure_run import FailureRun
from clankvox.media.frame_cipher import FrameCipher, FrameRejected, OpenedFrame, RejectReason
from clankvox.media.opus_packet import is_quiet
from clankvox.media.receive_ports import ReceiveFacts
from clankvox.media.reorder import Frame, Position, ReorderWindow
from clankvox.media.sender_binding import SenderBinding, SweepBudget
from clankvox.media.speaker import HELD_FRAMES, HELD_S, Line, Speaker
from clankvox.media.speaker_roster import SpeakerRoster
from clankvox.wire.rtp import SILENCE_FRAME
from clankvox.wire.seq import seq_delta

_PROVEN_REPEATS: Final = 3
"""So many authenticated repeats in a row are no repeats: DAVE opens a nonce once, so the sender began anew."""
_STALE_RUN: Final = 100

_FATE_OF: Final = {
    RejectReason.NO_GROUP: Fate.NO_GROUP,
    RejectReason.NO_KEY: Fate.NO_KEY,
    RejectReason.UNENCRYPTED: Fate.UNENCRYPTED,
}


class StreamTools(NamedTuple):
    """What all streams of a role share."""

    cipher: FrameCipher
    sweeps: SweepBudget
    roster: SpeakerRoster
    facts: ReceiveFacts
    totals: ReceiveTotals
    alarm: Alarm


class _HeldPacket(NamedTuple):
    packet: Frame
    fate: Fate
    """What becomes of it unless it can be opened in time."""
    swept: int = -1
    """The cipher's generation that every member was last tried in."""


class _Opened(NamedTuple):
    frame: Frame
    user_id: UserId
    authenticated: bool


class AudioStream:
    """Turns one SSRC's packets into frames of a speaker. Not thread-safe: see Speaker.

    Sequence memory, binding and speaking learn only from frames that DAVE authenticated, or that are accepted
    in clear. What cannot be opened yet is kept (250 packets, 2 s) and tried again when keys or hints change.
    Silence, which needs no key, waits behind it: it ends a word, and would make the whole word late.
    """

    def __init__(self, ssrc: Ssrc, tools: StreamTools) -> None:
        self.ssrc = ssrc
        self.ledger = StreamLedger(ssrc)
        self.binding = SenderBinding(tools.cipher, tools.sweeps)
        self.last_arrival = 0.0
        self.user_id: UserId | None = None
        self._tools = tools
        self._window = ReorderWindow()
        self._line = Line(self.ledger, self._window)
        self._held: deque[_HeldPacket] = deque()
        self._opened: list[_Opened] = []
        """What waited, was opened with keys that are gone by now, and is to be played next."""
        self._tried_generation = 0
        """The cipher's when all that is held was tried last."""
        self._speaker: Speaker | None = None
        self._announced: UserId | None = None
        self._failures = FailureRun()
        self._stale_run = 0
        self._repeats_proven = 0

    @property
    def pending(self) -> int:
        """Packets without a fate that wait here (the speaker may keep more)."""
        return len(self._held) + len(self._opened) + len(self._window)

    @property
    def jitter_s(self) -> float:
        """How late the latest packets are (media/jitter.py)."""
        return self._window.jitter.peak_s

    def skip(self, sequence: int) -> None:
        """Take a packet that is padding only: it uses up a sequence number and no time."""
        self._window.mark_unusable(sequence)
        self.ledger.settle(Fate.EMPTY)

    def receive(self, packet: Frame, now: float) -> None:
        """Take a packet that the transport authenticated; its payload is not opened yet."""
        cipher = self._tools.cipher
        if not self.holds_packets:
            self._receive(packet, now)
            return
        with cipher.unchanged():
            if self._opened or cipher.generation != self._tried_generation:
                self.retry(now)  # a key that came this moment would refuse what waits behind this packet
            else:
                self._go_on_sweeping(now)  # as would a sender who is found by this packet
            self._receive(packet, now)

    def _receive(self, packet: Frame, now: float) -> None:
        if self._held and packet.payload == SILENCE_FRAME and self._would_overtake(packet):
            self._window.mark_unusable(packet.sequence)
            self._hold(packet, Fate.QUIET)
            return
        generation = self._tools.cipher.generation
        try:
            user_id, opened = self._open(packet, now)
        except FrameRejected as rejected:
            self._on_rejected(packet, rejected.reason, generation if self.binding.swept else -1)
            return
        if user_id is None:
            self._hold(packet, Fate.UNKNOWN_SSRC)
            return
        if user_id != self.user_id:
            self._assign(user_id)
            self.retry(now)
        frame = Frame(opened.payload, packet.sequence, packet.timestamp, packet.arrival)
        if not self._pass_on(frame):
            position = self._locate(packet)
            self._accept(frame, position, authenticated=opened.authenticated)
            self._play(now)

    def retry(self, now: float, *, all_of_it: bool = True) -> None:
        """Try again what could not be opened; the window sees all of it before it lets anything through.

        Without `all_of_it` what all members were tried for with the same keys is left as it is.
        """
        if self._held:
            with self._tools.cipher.unchanged():
                self._tried_generation = self._tools.cipher.generation
                self.binding.begin_round()
                self._opened += self._open_held(now, all_of_it=all_of_it)
        self._accept_opened(now)

    def open_waiting(self) -> None:
        """Try what waits with the keys in force, which are about to go; it is played later. Any thread.

        A key may be in force for milliseconds, while the UDP thread gets no time: the op 22 that brings it, and the
        one behind which its sender is no member any more.
        """
        cipher = self._tools.cipher
        if self._held and cipher.generation != self._tried_generation:
            with cipher.unchanged():
                self._tried_generation = cipher.generation
                self._opened += self._open_held(self._held[0].packet.arrival, all_of_it=True, sweep=False)

    def _accept_opened(self, now: float) -> None:
        if not self._opened:
            return
        opened, self._opened = self._opened, []
        for frame, user_id, authenticated in opened:
            self._assign(user_id)
            position = self._window.locate(frame.sequence, frame.timestamp, frame.arrival)
            self._accept(frame, position, authenticated=authenticated)
        self._play(now)

    def _open_held(self, now: float, *, all_of_it: bool, sweep: bool = True) -> list[_Opened]:
        """Try all that is held, in the order of sending: see FrameCipher.unchanged."""
        held = sorted(self._held, key=cmp_to_key(_by_sequence))
        self._held = deque()
        opened: list[_Opened] = []
        blocked = False
        for waiting in held:
            hopeless = not all_of_it and waiting.swept == self._tried_generation
            if hopeless or (blocked and waiting.packet.payload == SILENCE_FRAME):
                self._held.append(waiting)
                blocked = True
                continue
            again = self._try_again(waiting, now, sweep=sweep)
            blocked = again is None
            if again is not None:
                opened.append(again)
        return opened

    def poll(self, now: float) -> None:
        """Let through what has waited long enough and drop what was held for too long."""
        self._play(now)
        self._accept_opened(now)
        self._go_on_sweeping(now)
        while self._held and now >= self._given_up_at():
            self._drop(self._held.popleft())
        self._ask_for_poll()

    @property
    def holds_packets(self) -> bool:
        """Whether packets wait here for their key, or were opened meanwhile."""
        return bool(self._held or self._opened)

    def may_be_of(self, user_id: UserId) -> bool:
        """Whether the user is who sends this, as far as is known."""
        return user_id in (self.user_id, self.binding.proven, self.binding.hinted)

    def forget_user(self, user_id: UserId) -> bool:
        """Take a user who left off this SSRC, and say whether it was his.

        What is opened of him and waits for its turn is played first.
        """
        self.binding.forget(user_id)
        self._accept_opened(self.last_arrival)
        if self.user_id != user_id:
            return False
        self._flush()
        self._window.restart()
        while self._held:
            self._drop(self._held.popleft())
        self.user_id = self._announced = self._speaker = None
        return True

    def discard(self) -> None:
        """Enter everything that still waits as discarded: the connection is gone."""
        self._settle_waiting()
        self.ledger.settle(Fate.DISCARDED, len(self._held) + len(self._opened))
        self._held.clear()
        self._opened.clear()

    def _go_on_sweeping(self, now: float) -> None:
        """Try all members, if it is time, for the first packets that they were not tried for."""
        sweep_at = self.binding.sweep_at
        if sweep_at is not None and now >= sweep_at:
            self.retry(now, all_of_it=False)

    def _open(self, packet: Frame, now: float, *, sweep: bool = True) -> tuple[UserId | None, OpenedFrame]:
        """Open a packet's payload. Raises FrameRejected."""
        absent = self._tools.roster.absent
        user_id, opened = self.binding.open(packet.payload, packet.arrival, now, absent, sweep=sweep)
        if opened.authenticated and user_id is not None:
            self._failures.end()
            if user_id != self._announced:
                self._announced = user_id
                self._tools.facts.member_heard(self.ssrc, user_id)
        return user_id, opened

    def _locate(self, packet: Frame) -> Position:
        return self._window.locate(packet.sequence, packet.timestamp, packet.arrival)

    def _on_rejected(self, packet: Frame, reason: RejectReason, swept: int) -> None:
        position = self._locate(packet)
        if position is Position.LATE or position is Position.DUPLICATE:
            # A second copy does not open, because DAVE takes a nonce once: no failure, nothing to keep.
            self.ledger.settle(Fate.LATE if position is Position.LATE else Fate.DUPLICATE)
            return
        if reason is RejectReason.NO_KEY and self._failures.note(packet.arrival):
            self._tools.facts.undecryptable(self.ssrc, self.user_id, self._failures.failures)
        self._window.mark_unusable(packet.sequence)
        if reason is RejectReason.UNENCRYPTED:
            self._drop(_HeldPacket(packet, Fate.UNENCRYPTED))
        elif any(held.packet.payload == packet.payload for held in self._held):
            self.ledger.settle(Fate.DUPLICATE)
        else:
            known = self.binding.known or reason is RejectReason.NO_GROUP
            self._hold(packet, _FATE_OF[reason] if known else Fate.UNKNOWN_SSRC, swept)

    def _hold(self, packet: Frame, fate: Fate, swept: int = -1) -> None:
        if len(self._held) >= HELD_FRAMES:
            self._drop(self._held.popleft())
        self._held.append(_HeldPacket(packet, fate, swept))
        self._ask_for_poll()

    def _ask_for_poll(self) -> None:
        if self._held:
            self._tools.alarm.by(self._given_up_at())
            self._tools.alarm.by(self.binding.sweep_at or math.inf)

    def _given_up_at(self) -> float:
        return self._tools.alarm.end_of(HELD_S, self._held[0].packet.arrival)

    def _would_overtake(self, silence: Frame) -> bool:
        """Whether a frame before `silence` waits for its key and would be late behind it."""
        return self._locate(silence) is Position.FITS and any(
            seq_delta(packet.sequence, silence.sequence) < 0 and self._locate(packet) is Position.FITS
            for packet, *_ in self._held
        )

    def _drop(self, held: _HeldPacket) -> None:
        self.ledger.settle(held.fate)
        if held.fate is not Fate.QUIET:
            self._tools.totals.dave_decrypt_fail += 1

    def _try_again(self, held: _HeldPacket, now: float, *, sweep: bool) -> _Opened | None:
        packet, generation = held.packet, self._tried_generation
        try:
            user_id, opened = self._open(packet, now, sweep=sweep and held.swept != generation)
        except FrameRejected as rejected:
            if rejected.may_open_later:
                fate = _FATE_OF[rejected.reason] if self.binding.known else held.fate
                swept = generation if self.binding.swept else held.swept
                self._held.append(_HeldPacket(packet, fate, swept))
            else:
                self._drop(_HeldPacket(packet, Fate.UNENCRYPTED))
            return None
        if user_id is None:
            self._held.append(held)
            return None
        return _Opened(packet._replace(payload=opened.payload), user_id, opened.authenticated)

    def _assign(self, user_id: UserId) -> None:
        """Give the SSRC to a user; another one's order and codec state mean nothing for this one."""
        if self.user_id == user_id:
            return
        if self.user_id is not None:
            self.ledger.rebinds += 1
            self._flush()
            self._window.restart()
            self._line = Line(self.ledger, self._window)
        self.user_id = user_id
        self._speaker = self._tools.roster.speaker(user_id)

    def _pass_on(self, frame: Frame) -> bool:
        """Take a frame that is in turn straight to its speaker, as nearly all are; False if it is not."""
        speaker = self._speaker
        ordered = self._window.pass_on(frame) if speaker is not None else None
        if speaker is None or ordered is None:
            return False
        self._stale_run = self._repeats_proven = 0
        speaker.heard(self._line, frame)
        speaker.take(self._line, ordered)
        return True

    def _accept(self, frame: Frame, position: Position, *, authenticated: bool) -> None:
        """Take an opened frame into the order, or enter why not."""
        if position is not Position.FITS and not self._begins_anew(frame, position, authenticated=authenticated):
            if position is Position.LATE and self._window.note_late(frame):
                self.ledger.late_after_missing += 1
            self.ledger.settle(Fate.DUPLICATE if position is Position.DUPLICATE else Fate.LATE)
            return
        self._stale_run = self._repeats_proven = 0
        self._window.push(frame)
        speaker = self._speaker
        if speaker is not None:
            speaker.heard(self._line, frame)
        if not self._window.begun:
            self._play(frame.arrival)

    def _begins_anew(self, frame: Frame, position: Position, *, authenticated: bool) -> bool:
        """Whether a frame out of place shows that its sender started again; then the order starts again too."""
        self._stale_run += 1
        if position is Position.DUPLICATE and authenticated:
            self._repeats_proven += 1
        jumped = position is Position.RESTART and (authenticated or not is_quiet(frame.payload))
        if not (jumped or self._repeats_proven >= _PROVEN_REPEATS or self._stale_run >= _STALE_RUN):
            return False
        self._flush()
        self._window.restart()
        self.ledger.restarts += 1
        return True

    def _play(self, now: float) -> None:
        speaker = self._speaker
        if speaker is None or not len(self._window):
            return
        for ordered in self._window.drain(now):
            speaker.take(self._line, ordered)
        deadline = self._window.deadline
        if deadline is not None:
            self._tools.alarm.by(deadline)

    def _flush(self) -> None:
        speaker = self._speaker
        if speaker is not None:
            for ordered in self._window.flush():
                speaker.take(self._line, ordered)

    def _settle_waiting(self) -> None:
        """Enter what waits in the window as discarded."""
        for ordered in self._window.flush():
            self.ledger.settle_missing(Fate.LOST, ordered.missing_packets)
            self.ledger.settle(Fate.DISCARDED)
        self._window.restart()


def _by_sequence(a: _HeldPacket, b: _HeldPacket) -> int:
    return seq_delta(a.packet.sequence, b.packet.sequence)
