"""What a member of our own hears: Opus frames of the others, decrypted, counted and recorded."""

from collections import Counter
from collections.abc import Callable, Mapping

from clankvox.ids import UserId
from clankvox.loopback.hosted_member import HostedMember
from clankvox.loopback.media_port import Packet
from clankvox.loopback.recording import Recording
from clankvox.wire.rtp import OPUS_PAYLOAD_TYPE


class Hearing:
    """One member's ears. The event loop owns it."""

    def __init__(self, member: HostedMember, recording: Recording | None) -> None:
        """Decrypt with `member`."""
        self.decrypted: Counter[UserId] = Counter()
        """Frames heard, by sender."""
        self.undecryptable: Counter[UserId] = Counter()
        self._member = member
        self._recording = recording

    def begin(self, awaited: Callable[[UserId], bool]) -> None:
        """`awaited` says of whom the server awaits an answer about the group."""
        self._awaited = awaited

    def hear(self, packet: Packet, _now: float) -> None:
        """Take a packet; what is no Opus is left alone."""
        if packet.header.payload_type != OPUS_PAYLOAD_TYPE or not packet.payload:
            return
        told = not self._awaited(packet.sender)
        self._member.decrypt(packet.sender, packet.payload, lambda frame: self._heard(packet, frame), told=told)

    def end(self) -> None:
        """Finish the recording."""
        if self._recording is not None:
            self._recording.close()

    def report(self) -> dict[str, object]:
        """Return the counters for `stats`."""
        return {
            "decrypted": {str(user_id): count for user_id, count in self.decrypted.items()},
            "undecryptable": {str(user_id): count for user_id, count in self.undecryptable.items()},
            "refused": {str(user_id): _counted(counts) for user_id, counts in self._member.refused.items()},
        }

    def _heard(self, packet: Packet, frame: bytes | None) -> None:
        if frame is None:
            self.undecryptable[packet.sender] += 1
            return
        self.decrypted[packet.sender] += 1
        if self._recording is not None:
            self._recording.add(packet.sender, packet.header, frame)


def _counted(counts: Mapping[str, int]) -> dict[str, int]:
    return {str(refusal): count for refusal, count in counts.items() if count}
