"""The voice server of a stepped call: says what a test wants said on the socket that is open now."""

import json
from collections import Counter
from random import Random

from clankvox.messages.connection import DiscoveryReplied, SocketBinary, SocketLost, SocketOpened, SocketText, UdpLost
from clankvox.wire.gateway_ops import Op, decode_client_binary, encode_json, encode_server_binary
from clankvox.wire.transport_crypto import TransportMode, available_modes

SSRC = 1000
KEY = bytes(range(32))
MODE = available_modes()[0]


class FakeServer:
    """Speaks to the connection actor as its WebSocket and UDP shells would."""

    def __init__(self, call: "object") -> None:
        self._call = call
        self._seq = 0
        self._read = 0
        self.modes = [mode.value for mode in TransportMode]
        self.streams: list[dict[str, object]] = []
        """Our own video SSRCs, as op 2 names them."""
        self.rng = Random(5)
        self.announced: Counter[int] = Counter()
        """How often each transition was announced."""

    @property
    def last_number(self) -> int:
        """Of the last numbered message."""
        return self._seq

    def replay_from(self, number: int) -> None:
        """Number what follows as if what came after `number` had not been said yet."""
        self._seq = number

    @property
    def attempt(self) -> int | None:
        return self._call.web_socket.attempt

    def opened(self) -> None:
        self._tell(SocketOpened(attempt=self.attempt))

    def text(self, op: int, data: object = None, attempt: int | None = None) -> None:
        text = encode_json(int(op), data, self._number(op))
        self._tell(SocketText(attempt=attempt or self.attempt, text=text))

    def _number(self, op: int) -> int | None:
        """What is about the socket has no number: it is never replayed."""
        if op in (Op.HELLO, Op.HEARTBEAT_ACK, Op.RESUMED):
            return None
        self._seq += 1
        return self._seq

    def binary(self, op: int, payload: bytes, attempt: int | None = None) -> None:
        self._seq += 1
        self._tell(SocketBinary(attempt=attempt or self.attempt, data=encode_server_binary(self._seq, op, payload)))

    def hello(self) -> None:
        self.text(Op.HELLO, {"v": 9, "heartbeat_interval": 10_000.0})

    def ready(self) -> None:
        self.text(
            Op.READY,
            {
                "ssrc": SSRC,
                "ip": "10.1.2.3",
                "port": 50_004,
                "modes": self.modes,
                "experiments": [],
                "streams": self.streams,
            },
        )

    def discovered(self) -> None:
        self._tell(DiscoveryReplied(attempt=self._call.udp.attempt, address="203.0.113.9", port=40_000))

    def session(self, dave_version: int = 1) -> None:
        description = {"mode": self.mode(), "secret_key": list(KEY), "dave_protocol_version": dave_version}
        self.text(Op.SESSION_DESCRIPTION, description)

    def mode(self) -> str:
        """The mode that the client selected last."""
        selected = [d["data"]["mode"] for op, d in self.json_sent() if op == Op.SELECT_PROTOCOL]
        return selected[-1] if selected else MODE.value

    def before_session(self) -> None:
        """The handshake up to the session description."""
        for step in (self.opened, self.hello, self.ready, self.discovered):
            step()
            self._call.drain()

    def handshake(self, dave_version: int = 1) -> None:
        self.before_session()
        self.session(dave_version)
        self._call.drain()

    def acknowledge(self) -> None:
        """Answer the last heartbeat."""
        beats = [d["t"] for op, d in self.json_sent() if op == Op.HEARTBEAT]
        if beats and self.attempt is not None:
            self.text(Op.HEARTBEAT_ACK, {"t": beats[-1]})

    def members(self, *users: int) -> None:
        self.text(Op.CLIENTS_CONNECT, {"user_ids": [str(user) for user in users]})

    def member_gone(self, user: int) -> None:
        self.text(Op.CLIENT_DISCONNECT, {"user_id": str(user)})

    def reset(self) -> None:
        """The socket is gone without a close frame; its session is not."""
        self.lost(None)

    def resumed(self) -> None:
        """Accept the socket that the client opened for the session that it has."""
        for step in (self.opened, self.hello, lambda: self.text(Op.RESUMED)):
            step()
            self._call.drain()

    def lost(self, close_code: int | None = 4006, reason: str = "reset by peer", attempt: int | None = None) -> None:
        """The socket is gone; no more of it is heard. Unless told otherwise the session is over too."""
        attempt = attempt or self.attempt
        self._tell(SocketLost(attempt=attempt, close_code=close_code, reason=reason))

    def udp_lost(self) -> None:
        self._tell(UdpLost(attempt=self._call.udp.attempt, reason="udp_error"))

    # --- DAVE ---

    def external_sender(self, package: bytes = b"sender") -> None:
        self.binary(Op.MLS_EXTERNAL_SENDER, package)

    def proposals(self, payload: bytes = b"\x00add") -> None:
        self.binary(Op.MLS_PROPOSALS, payload)

    def commit(self, transition: int, commit: bytes = b"commit") -> None:
        self.announced[transition] += 1
        self.binary(Op.MLS_ANNOUNCE_COMMIT, transition.to_bytes(2, "big") + commit)

    def welcome(self, transition: int, welcome: bytes = b"welcome") -> None:
        self.announced[transition] += 1
        self.binary(Op.MLS_WELCOME, transition.to_bytes(2, "big") + welcome)

    def prepare_transition(self, transition: int, version: int) -> None:
        self.announced[transition] += 1
        self.text(Op.PREPARE_TRANSITION, {"transition_id": transition, "protocol_version": version})

    def execute_transition(self, transition: int) -> None:
        self.text(Op.EXECUTE_TRANSITION, {"transition_id": transition})

    def prepare_epoch(self, epoch: int = 1, version: int = 1) -> None:
        self.text(Op.PREPARE_EPOCH, {"epoch": epoch, "protocol_version": version})

    # --- what the client said ---

    def json_sent(self) -> list[tuple[int, object]]:
        """Every (op, d) that was sent as text, in order."""
        texts = [json.loads(frame) for frame in self._call.web_socket.sent if isinstance(frame, str)]
        return [(message["op"], message["d"]) for message in texts]

    def binary_sent(self) -> list[tuple[int, bytes]]:
        """Every (op, payload) that was sent as binary, in order."""
        return [decode_client_binary(frame) for frame in self._call.web_socket.sent if isinstance(frame, bytes)]

    def blamed(self) -> Counter[int]:
        """How often op 31 named each transition."""
        flags = [text for text in self._call.web_socket.sent if isinstance(text, str) and '"op":31,' in text]
        return Counter(json.loads(flag)["d"]["transition_id"] for flag in flags)

    def new_ops(self) -> list[int]:
        """Opcodes of all that was sent since the last look, heartbeats left out."""
        frames = self._call.web_socket.sent[self._read :]
        self._read = len(self._call.web_socket.sent)
        ops = [frame[0] if isinstance(frame, bytes) else json.loads(frame)["op"] for frame in frames]
        return [op for op in ops if op != Op.HEARTBEAT]

    def _tell(self, message: object) -> None:
        self._call.connection.actor_ref.tell(message)
