"""A member of our own: joins a room as a full DAVE member, says something, and hears the others if asked to."""

from clankvox.clock import Clock
from clankvox.ids import Ssrc, UserId
from clankvox.loopback.hearing import Hearing
from clankvox.loopback.hosted_member import HostedMember
from clankvox.loopback.member import Library
from clankvox.loopback.opus_track import OpusTrack, Script
from clankvox.loopback.own_member import OwnMember
from clankvox.loopback.participant import Emit
from clankvox.loopback.recording import Recording
from clankvox.loopback.room import Room
from clankvox.loopback.sfu import Sfu
from clankvox.wire.gateway_ops import SpeakingFlag


class Speaker(OwnMember):
    """Says what its script says. The event loop owns it."""

    def __init__(
        self,
        user_id: UserId,
        ssrc: Ssrc,
        member: HostedMember,
        script: Script,
        recording: Recording | None,
        *,
        receive: bool,
        library: Library,
        seed: int,
    ) -> None:
        """`ssrc` is the speaker's alone. Call `begin` when it has entered its room."""
        super().__init__(user_id, ssrc, member, library=library, seed=seed)
        self._track = OpusTrack(script, member, self.port, self._random, SpeakingFlag.MICROPHONE)
        self._track.sealing = self._sealing
        self._hearing = Hearing(member, recording)
        if receive or recording is not None:
            self.port.hear = self._hearing.hear

    def begin(self, room: Room, sfu: Sfu, clock: Clock, emit: Emit) -> None:
        """Answer the gateway, and start pacing."""
        self._hearing.begin(room.service.awaits)
        super().begin(room, sfu, clock, emit)
        self._track.begin(
            sfu, clock, lambda flags: room.speak(self, flags), lambda: room.service.settled, self._all_said
        )

    @property
    def track(self) -> OpusTrack:
        """What it says."""
        return self._track

    def end(self) -> None:
        """Stop pacing and finish the recording."""
        self._track.end()
        super().end()
        self._hearing.end()

    def report(self) -> dict[str, object]:
        """Return what `stats` says of this speaker."""
        return {
            "kind": "speaker",
            "stage": str(self._track.stage),
            "framesSent": self._track.frames_sent,
            "framesUnsent": self._track.frames_unsent,
            "slotsMissed": self._track.slots_missed,
            **super().report(),
            **self._hearing.report(),
        }

    def _all_said(self) -> None:
        self._emit("spoken", self.about(framesSent=self._track.frames_sent))
