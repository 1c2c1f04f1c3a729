"""Shells without sockets and threads: they record what actors want, and tests answer for them."""

from collections.abc import Callable

from clankvox.actors.facts import FactMail
from clankvox.errors import TransportLost
from clankvox.ids import Attempt, Ssrc, UserId
from clankvox.ipc.framing import frame_user_audio
from clankvox.media.capture_board import CaptureBoard
from clankvox.media.frame_cipher import Gate
from clankvox.media.hearing import Hearing
from clankvox.media.packet_sealer import PacketSealer
from clankvox.outbox import Outbox
from clankvox.shells.pacer import Pacer
from tests.support.manual_clock import ManualClock

PCM = memoryview(bytes(960))
PCM_MS = 20.0


class RecordingWebSocket:
    """ports.WebSocketPort."""

    def __init__(self) -> None:
        self.attempt: Attempt | None = None
        """Attempt of the socket that is open or opening; None once it was closed."""
        self.urls: list[str] = []
        self.sent: list[str | bytes] = []
        self.closed_with: list[int] = []

    def connect(self, attempt: Attempt, url: str, timeout_s: float) -> None:
        assert 0.0 < timeout_s <= 15.0
        self.attempt = attempt
        self.urls.append(url)

    def send(self, frame: str | bytes) -> None:
        self.sent.append(frame)

    def close(self, code: int) -> None:
        if self.attempt is not None:
            self.closed_with.append(code)
        self.attempt = None


class RecordingUdp:
    """ports.UdpPort."""

    def __init__(self) -> None:
        self.attempt: Attempt | None = None
        self.remote: tuple[str, int] | None = None
        self.sent: list[bytes] = []
        self.broken = False
        self.gate: Callable[[], Gate] = lambda: Gate.CLOSED
        self.sent_under: list[Gate] = []
        """What might leave at the moment when each datagram of `sent` did."""

    def open(self, attempt: Attempt, ip: str, port: int, sink: object) -> None:
        self.attempt, self.remote = attempt, (ip, port)

    def send(self, datagram: bytes) -> None:
        if self.broken or self.attempt is None:
            raise TransportLost("no socket")
        self.sent.append(datagram)
        self.sent_under.append(self.gate())

    def wake(self) -> None:
        pass

    def close(self) -> None:
        self.attempt = None


class SteppedPacer(Pacer):
    """The real slots on the real grid; only the thread is missing: tests call `serve_slot`."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock)
        self.running = False

    def start(self) -> None:
        self.running = True

    def stop(self) -> None:
        self.running = False

    def due(self) -> float | None:
        """Instant of the next slot; None while nobody is subscribed."""
        return self._grid.deadline() if self._subscriptions else None


class ModelPipeline:
    """The receive pipeline's contract towards actors, without packets: tests say who is heard.

    As in the real one, everything happens under the board's lock, and nothing follows `detach`.
    """

    def __init__(self, board: CaptureBoard, outbox: Outbox, facts: FactMail) -> None:
        self._board, self._outbox, self._facts = board, outbox, facts
        self.attempt = Attempt(0)
        self.sealer: PacketSealer | None = None
        self.hints: dict[Ssrc, UserId] = {}
        self.heard = Hearing(0, 0)
        """Frames that were opened, and that were not: tests say how many."""
        self.waiting: set[UserId] = set()
        """Whose packets wait for their key: tests say."""
        self.unread = False
        """Whether the socket holds what was not read: tests say."""
        self._speaking: set[UserId] = set()
        self._flowing: dict[UserId, int] = {}
        self._ended: dict[UserId, int] = {}
        board.closes_with(self._close)

    def attach(self, attempt: Attempt, own_ssrc: Ssrc) -> None:
        self.attempt = attempt

    def detach(self) -> None:
        with self._board.lock:
            self.sealer = None
            self.hints.clear()
            self._speaking.clear()

    def open_with(self, sealer: PacketSealer) -> None:
        self.sealer = sealer

    def hearing(self) -> Hearing:
        return self.heard

    def hint(self, ssrc: Ssrc, user_id: UserId) -> None:
        self.hints[ssrc] = user_id

    def expects(self, user_id: UserId) -> bool:
        return user_id in self.hints.values() or user_id in self._speaking or user_id in self._flowing

    def has_last_words(self, user_id: UserId, left_at: float) -> bool:
        return user_id in self.waiting

    def was_read_out(self, since: float) -> bool:
        return not self.unread

    def forget_user(self, user_id: UserId) -> None:
        self.hints = {ssrc: user for ssrc, user in self.hints.items() if user != user_id}
        with self._board.lock:
            self._speaking.discard(user_id)
            self._flowing.pop(user_id, None)

    def _close(self, user_id: UserId, arming: int | None) -> None:
        flowing = self._flowing.get(user_id)
        if flowing is not None and arming in (None, flowing):
            del self._flowing[user_id]
            self._facts.speech_cut(user_id)

    def feed(self, datagram: bytes, now: float) -> None:
        pass

    def poll(self, now: float) -> float:
        return now + 1.0

    def packet(self, user: int) -> None:
        """One packet of `user` arrives."""
        user_id = UserId(user)
        with self._board.lock:
            if self.sealer is None:
                return
            if user_id not in self._speaking:
                self._speaking.add(user_id)
                self._facts.speaking_started(user_id)
            config = self._board.armed(user_id)
            if config is None or config.arming <= self._ended.get(user_id, 0):
                return
            if self._flowing.get(user_id) != config.arming:
                self._flowing[user_id] = config.arming
                self._facts.speech_started(user_id, config.arming)
            frame = frame_user_audio(user_id, config.capture_id, PCM, 0, 0, len(PCM) // 2)
            self._outbox.put_audio((user_id, config.capture_id), frame, PCM_MS, user_id)

    def pause(self, user: int) -> None:
        """No packet of `user` for 100 ms."""
        user_id = UserId(user)
        if user_id in self._speaking:
            self._speaking.discard(user_id)
            self._facts.speaking_ended(user_id)

    def silence(self, user: int) -> None:
        """No packet of `user` for the silence duration."""
        self.pause(user)
        self.lull(user)

    def lull(self, user: int) -> None:
        """No packet of `user` for a silence duration that is shorter than what ends speaking."""
        user_id = UserId(user)
        with self._board.lock:
            config, flowing = self._board.armed(user_id), self._flowing.pop(user_id, None)
            if self.sealer is not None and config is not None and flowing == config.arming:
                self._ended[user_id] = flowing
                self._facts.speech_ended(user_id, flowing)
