"""The real receive pipeline in a stepped call: packets are real Opus, sealed as a server would, and may go astray."""

from clankvox.ids import Ssrc, UserId
from clankvox.media.receive import ReceivePipeline
from clankvox.outlets import PcmOutlet
from tests.support.fake_mls import FakeEngine
from tests.support.fake_server import KEY
from tests.support.hearing import Talker, opus_packets

PACKETS = opus_packets(0.5)
TICK_S = 0.02
_END = b"\x00\x0c\xfa\xfa"


class EpochEngine(FakeEngine):
    """A group library whose keys change with each epoch: a frame opens only in the epoch that it was sealed in."""

    def encrypt_opus(self, frame: bytes) -> bytes:
        sealed = super().encrypt_opus(frame)
        return sealed if sealed == frame else under(self.epoch or 0, frame)

    def decrypt_audio(self, user_id: UserId, frame: bytes) -> bytes:
        if frame[-12:] != (self.epoch or 0).to_bytes(8, "big") + _END:
            return super().decrypt_audio(user_id, b"of another epoch")
        return bytes(byte ^ 0x5A for byte in frame[:-12])


def under(epoch: int, frame: bytes) -> bytes:
    """Seal a frame with the key of an epoch."""
    return bytes(byte ^ 0x5A for byte in frame) + epoch.to_bytes(8, "big") + _END


class WirePipeline(ReceivePipeline):
    """ReceivePipeline with the handles of ModelPipeline: time passes on the call's clock, and nowhere else."""

    def __init__(self, parts, outbox, facts) -> None:
        super().__init__(parts.cipher, parts.board, PcmOutlet(outbox, parts.role), facts)
        self._parts = parts
        self._talkers: dict[int, Talker] = {}
        self._next = 0

    @property
    def sealer(self):
        return self._opener

    @property
    def clock(self):
        return self._parts._call.clock

    @property
    def epoch(self) -> int | None:
        """Epoch of the group, None where frames go in clear."""
        conversation = self._parts.dave._conversation
        if conversation is None or conversation.version == 0:
            return None
        return getattr(self._parts.cipher._engine, "epoch", None) or 0

    def packet(self, user: int, what: str = "ok") -> None:
        """One packet of `user`, 20 ms after the one before; `what` says what becomes of it on the way."""
        self.tick()
        if self.sealer is None:
            return
        talker = self._talkers.setdefault(user, Talker(Ssrc(user)))
        talker.sealer = self.sealer.__class__(self.sealer._mode, KEY)
        self.hint(Ssrc(user), UserId(user))
        now = self.clock.now()
        for datagram in self._on_the_way(talker, what):
            self.feed(datagram, now)
        self.poll(now)

    def _on_the_way(self, talker: Talker, what: str) -> list[bytes]:
        match what:
            case "lost":
                talker.packet(self._sealed(0))
                return []
            case "twice":
                return [talker.packet(self._sealed(0))] * 2
            case "swapped":
                return [talker.packet(self._sealed(0)) for _ in range(2)][::-1]
            case "ahead":  # its key is still on its way
                return [talker.packet(self._sealed(1))]
            case "clear":
                return [talker.packet(PACKETS[0])]
            case "garbage":
                return [talker.packet(self._sealed(0))[:-1] + b"\x00"]
            case "padding":
                return [talker.packet(b"", padding=8)]
            case _:
                return [talker.packet(self._sealed(0))]

    def _sealed(self, ahead: int) -> bytes:
        self._next += 1
        frame, epoch = PACKETS[self._next % len(PACKETS)], self.epoch
        return frame if epoch is None else under(epoch + ahead, frame)

    def tick(self) -> None:
        self.clock.advance(TICK_S)
        self.poll(self.clock.now())

    def pause(self, user: int) -> None:
        for _ in range(8):
            self.tick()

    def silence(self, user: int) -> None:
        for _ in range(40):
            self.tick()
