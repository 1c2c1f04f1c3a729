"""One video SSRC: order, repair, whole frames, DAVE, and the pictures that a decoder may see."""

import math
from collections.abc import Callable
from contextlib import nullcontext
from typing import Final, NamedTuple

from clankvox.errors import WireError
from clankvox.ids import Attempt, Role, Ssrc, UserId
from clankvox.media.alarm import Alarm
from clankvox.media.failure_run import FailureRun
from clankvox.media.frame_assembler import AssembledFrame, Damage, FrameAssembler
from clankvox.media.frame_cipher import FrameCipher, FrameRejected, Gate, RejectReason
from clankvox.media.frame_opener import FrameOpener, OpenedPicture
from clankvox.media.frame_stash import FrameStash
from clankvox.media.keyframe_gate import KeyframeGate
from clankvox.media.nack import MOST_PER_PACKET
from clankvox.media.parameter_sets import ParameterSets
from clankvox.media.reception import Reception
from clankvox.media.sender_binding import SweepBudget
from clankvox.media.video_ports import AccessUnit, AccessUnitSink, VideoFacts
from clankvox.media.video_reorder import Taken, VideoPacket, VideoReorderWindow
from clankvox.media.video_totals import VideoTotals
from clankvox.media.watch_list import RemoteStream
from clankvox.wire import rtcp
from clankvox.wire.video_codec import VideoCodec

_SILENT_S: Final = 2.0
"""A stream of which nothing came for so long is not being sent."""
_OVERDUE_POLL_S: Final = 0.25
"""When to look again at what was due and could not be done: a sweep of a group that is gone."""
_TYPE_UNTOLD: Final = {Role.STREAM_WATCH: "screen"}
"""What a picture is of a stream that op 12 has not told of yet."""
_FIR_AFTER_PLIS: Final = 3
"""A sender that overlooked so many PLIs is sent a FIR with each further one."""


class VideoTools(NamedTuple):
    """What all streams of a role's connection share."""

    role: Role
    attempt: Attempt
    own_ssrc: Ssrc
    """Who asks: our audio SSRC, because a watcher has no video of its own."""
    cipher: FrameCipher
    sweeps: SweepBudget
    sink: AccessUnitSink
    facts: VideoFacts
    totals: VideoTotals
    alarm: Alarm
    tell: Callable[[rtcp.Packet], None]
    """Send feedback."""
    wants: Callable[[UserId], bool]
    """Whether anybody wants to see this user."""


class VideoStream:
    """Turns one SSRC's packets into access units. Not thread-safe: the role's UDP thread."""

    def __init__(self, ssrc: Ssrc, remote: RemoteStream | None, tools: VideoTools) -> None:
        self.ssrc = ssrc
        self.gate = KeyframeGate()
        self.reception = Reception(ssrc)
        self.last_arrival = float("-inf")
        self._tools = tools
        self._opener = FrameOpener(tools.cipher, tools.sweeps, tools.totals)
        self.remote = remote
        self._window = VideoReorderWindow()
        self._stash = FrameStash()
        self._parameters = ParameterSets()
        self._codec = VideoCodec.H264
        """Until a packet says otherwise."""
        self._assembler = FrameAssembler(self._codec, self._on_damage)
        self._announced: UserId | None = None
        self._failures = FailureRun()
        self._failed_until = -math.inf
        self._tried_generation = -1
        """The cipher's when all that is stashed was tried last."""
        self._swept: int | None = None
        """RTP timestamp of the picture up to which all members were tried for the stash, with these keys."""
        self._fir_command = 0

    @property
    def user_id(self) -> UserId | None:
        """Who sends: whose key opened the last frame, else whom op 12 names."""
        return self._opener.binding.proven or self._opener.binding.hinted

    @property
    def remote(self) -> RemoteStream | None:
        """What op 12 says of it, None as long as its packets have outrun that."""
        return self._remote

    @remote.setter
    def remote(self, remote: RemoteStream | None) -> None:
        self._remote = remote
        if remote is not None:
            self._opener.binding.hinted = remote.user_id

    def receive(self, codec: VideoCodec, packet: VideoPacket, now: float) -> None:
        """Take a packet of the media stream."""
        self.last_arrival = now
        self.reception.observe(packet.sequence, packet.timestamp, packet.arrival)
        if codec is not self._codec:
            self._switch_codec(codec)
        self._count(self._window.push(packet))
        self._advance(now)
        self._settle(now)

    def repair(self, packet: VideoPacket, now: float) -> None:
        """Take a retransmission."""
        taken = self._window.repair(packet)
        self._count(taken)
        if taken is Taken.FITS:
            self._tools.totals.rtx_recovered += 1
            self._advance(now)
            self._settle(now)

    def retry(self, now: float) -> None:
        """Try again, in order, what could not be opened yet: keys or members have changed."""
        if not len(self._stash):
            return
        with self._tools.cipher.unchanged():
            self._tried_generation, self._swept = self._tools.cipher.generation, None
            for frame in self._stash.take_all():
                if not self._open(frame, now):
                    self._keep(frame)

    def poll(self, now: float) -> None:
        """Let time pass: give up what is lost, ask for what is missing, report that a picture is overdue."""
        self._advance(now)
        sweep_at = self._opener.binding.sweep_at
        if len(self._stash) and sweep_at is not None and now >= sweep_at:
            with self._tools.cipher.unchanged():
                self._go_on_sweeping(now)
        self._give_up(self._stash.expire(now))
        self._settle(now)

    def discard(self) -> None:
        """Count what still waits for its key: the stream is over."""
        self._give_up(len(self._stash.take_all()))

    def _advance(self, now: float) -> None:
        """Pass on what is in turn, and ask for what is missing."""
        lost_before = self._window.lost
        assembler = self._assembler
        for ordered in self._window.drain(now):
            if ordered.after_gap:
                self.gate.lose()
            frame = assembler.push(ordered)
            if frame is not None:
                self._take(frame, now)
        self._tools.totals.lost += self._window.lost - lost_before
        self._send_nacks(self._window.nacks(now))

    def _take(self, frame: AssembledFrame, now: float) -> None:
        """Open a new frame or keep it; as for audio a key that came this moment is for the frames before it first."""
        cipher = self._tools.cipher
        with cipher.unchanged() if len(self._stash) else nullcontext():
            if len(self._stash) and cipher.generation != self._tried_generation:
                self.retry(now)
            if not self._open(frame, now):
                self._keep(frame)

    def _go_on_sweeping(self, now: float) -> None:
        """Try all members for the next pictures that they were not tried for; who is found opens what follows too.

        Whom they are thought to be of was tried for all of them with the keys of now, and a try costs 23 us a KiB.
        """
        if self._tools.cipher.generation != self._tried_generation:
            self.retry(now)
            return
        binding, frames = self._opener.binding, self._stash.take_all()
        first = next((place + 1 for place, frame in enumerate(frames) if frame.timestamp == self._swept), 0)
        binding.begin_round()
        for place, frame in enumerate(frames):
            if place < first or binding.sweep_at is not None:
                self._keep(frame)
            elif not self._open(frame, now):
                self._keep(frame)
                if binding.swept:
                    self._swept = frame.timestamp

    def _open(self, frame: AssembledFrame, now: float) -> bool:
        """Open a frame and emit it; False if it has to wait for its key."""
        try:
            opened = self._opener.open(self._codec, frame, now)
        except FrameRejected as rejected:
            return self._on_rejected(frame, rejected)
        except WireError:
            self._tools.totals.frames_invalid += 1
            self.gate.lose()
            return True
        self._on_opened(opened)
        if len(self._stash):
            self._release_stash(now)
        self._emit(frame, opened, now)
        return True

    def _on_rejected(self, frame: AssembledFrame, rejected: FrameRejected) -> bool:
        """Return whether the frame is done with; of its failures the first counts."""
        if rejected.reason is RejectReason.NO_KEY and frame.arrival > self._failed_until:
            self._failed_until = frame.arrival
            if self._failures.note(frame.arrival):
                self._tools.facts.undecryptable(self.ssrc, self.user_id, self._failures.failures)
        if rejected.may_open_later:
            return False
        self._give_up(1)
        return True

    def _on_opened(self, opened: OpenedPicture) -> None:
        if not opened.authenticated:
            self._tools.totals.dave_passthrough += 1
            return
        self._failures.end()
        self._tools.totals.dave_decrypt_ok += 1
        if opened.user_id != self._announced:
            self._announced = opened.user_id
            self._tools.facts.member_heard(self.ssrc, opened.user_id)

    def _release_stash(self, now: float) -> None:
        """Emit what waits before a frame that opened; what still does not open then will not in time."""
        for frame in self._stash.take_all():
            if not self._open(frame, now):
                self._give_up(1)

    def _keep(self, frame: AssembledFrame) -> None:
        self._give_up(self._stash.keep(frame))

    def _give_up(self, frames: int) -> None:
        """Count frames that never opened."""
        if frames:
            self._tools.totals.dave_decrypt_fail += frames
            self.gate.lose()

    def _emit(self, frame: AssembledFrame, opened: OpenedPicture, now: float) -> None:
        if not self._tools.wants(opened.user_id):  # op 12 did not say whose it is, or was wrong
            self._tools.totals.unwanted += len(frame.payloads)
            return
        self._parameters.learn(opened.picture.nals)
        if frame.after_loss:  # said again in its turn, for frames from before the loss may have waited for a key
            self.gate.lose()
        if not self.gate.admit(keyframe=opened.picture.keyframe):
            self._tools.totals.keyframe_waits += 1
            return
        data = opened.data
        if opened.picture.keyframe:
            data = self._parameters.missing_from(opened.picture.nals) + data
        unit = AccessUnit(
            role=self._tools.role,
            attempt=self._tools.attempt,
            user_id=opened.user_id,
            ssrc=self.ssrc,
            codec=self._codec,
            keyframe=opened.picture.keyframe,
            rtp_timestamp=frame.timestamp,
            data=data,
            arrival=now,
            dave_decrypted=opened.authenticated,
            stream_type=self._remote.stream_type if self._remote is not None else _TYPE_UNTOLD.get(self._tools.role),
            rid=self._remote.rid if self._remote is not None else None,
        )
        self._tools.totals.frames_emitted += 1
        if not self._tools.sink.access_unit(unit):
            self.gate.shed()

    def _on_damage(self, damage: Damage) -> None:
        totals = self._tools.totals
        if damage is Damage.OVERSIZE:
            totals.frames_oversize += 1
        else:
            totals.bad_packets += damage is Damage.MALFORMED
            totals.frames_incomplete += 1
        self.gate.lose()

    def _switch_codec(self, codec: VideoCodec) -> None:
        """Begin anew for another codec: the payload type says what it is (op 14 may make a sender switch)."""
        self._give_up(len(self._stash.take_all()))
        self._codec = codec
        self._assembler = FrameAssembler(codec, self._on_damage)
        self._parameters = ParameterSets()
        self.gate.lose()

    def _can_open(self) -> bool:
        """Whether a key frame would be of any use."""
        if self.user_id is not None and not self._tools.wants(self.user_id):
            return False
        return self._tools.cipher.gate is Gate.CLEAR or self._tools.cipher.group_ready

    def _settle(self, now: float) -> None:
        """Ask for what is needed now, and to be polled when that changes."""
        self._ask_for_keyframe(now)
        sweep_at = self._opener.binding.sweep_at if len(self._stash) else None
        request_at = self.gate.due if self._can_open() else None
        for due in (self._window.deadline, self._stash.deadline, sweep_at, request_at):
            if due is not None:
                self._tools.alarm.by(due if due > now else now + _OVERDUE_POLL_S)

    def _ask_for_keyframe(self, now: float) -> None:
        """Send a PLI if one is due, and a FIR too if the first ones were overlooked; tell if it takes long."""
        if not self.gate.waiting or not self._can_open():
            return
        tools, ssrc = self._tools, self.ssrc
        if self.gate.take_request(now, alive=now < self.last_arrival + _SILENT_S):
            tools.totals.plis += 1
            tools.tell(rtcp.Pli(tools.own_ssrc, ssrc))
            if self.gate.unanswered > _FIR_AFTER_PLIS:
                self._fir_command = (self._fir_command + 1) & 0xFF
                tools.totals.firs += 1
                tools.tell(rtcp.Fir(tools.own_ssrc, (rtcp.FirRequest(ssrc, self._fir_command),)))
        if self.gate.take_overdue(now):
            tools.facts.picture_overdue(ssrc)

    def _send_nacks(self, sequences: list[int]) -> None:
        for start in range(0, len(sequences), MOST_PER_PACKET):
            asked = tuple(sequences[start : start + MOST_PER_PACKET])
            self._tools.totals.nacked += len(asked)
            self._tools.tell(rtcp.Nack(self._tools.own_ssrc, self.ssrc, asked))

    def _count(self, taken: Taken) -> None:
        totals = self._tools.totals
        totals.duplicates += taken is Taken.DUPLICATE
        totals.late += taken is Taken.LATE
        totals.restarts += taken is Taken.RESTART
