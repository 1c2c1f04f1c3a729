"""One transport key and its nonce counter: what seals and opens the packets of one role.

The key comes with the session description (op 4). RTP and RTCP of one client share the key, so they share the
counter too; a nonce used twice under one AES-GCM key would give away both packets.
"""

import threading
from collections.abc import Callable
from typing import Any, Final, NoReturn, TypeVar

from clankvox.errors import TransportLost
from clankvox.ids import Ssrc
from clankvox.wire.rtcp import RTCP_CLEAR_BYTES
from clankvox.wire.transport_crypto import KEY_BYTES, NONCE_BYTES, Opener, TransportMode, opener, sealer

_NONCE_COUNT: Final = 1 << (8 * NONCE_BYTES)

T = TypeVar("T")


class PacketSealer:
    """Seals under nonces 0, 1, 2 ... and opens the other direction. Thread-safe.

    Key and counter live and die together: there is no way to copy a sealer, to read its key or to set its counter.
    """

    __slots__ = ("_lock", "_mode", "_next_nonce", "_seal", "_senders", "open")

    def __init__(self, mode: TransportMode, key: bytes) -> None:
        """Take the 32-byte `key` for `mode`. ValueError for any other length."""
        if len(key) != KEY_BYTES:
            raise ValueError("a transport key has 32 bytes")
        self._mode = mode
        self._seal = sealer(mode, key)
        self.open: Final[Opener] = opener(mode, key)
        """Returns what follows the first so many bytes of a datagram; OpenFailed if it does not authenticate."""
        self._next_nonce = 0
        self._lock = threading.Lock()
        self._senders: dict[Ssrc, Any] = {}

    def sender_of(self, ssrc: Ssrc, make: Callable[[], T]) -> T:
        """Return what numbers the packets of `ssrc` under this key, which `make` makes when it is first asked for.

        Sequence and timestamp belong to a stream as the nonce does to the key: whoever takes over from an actor that
        failed goes on where it was, for receivers take packets behind a jump back for late ones (RFC 3550 A.1).
        """
        with self._lock:
            if ssrc not in self._senders:
                self._senders[ssrc] = make()
            sender: T = self._senders[ssrc]
            return sender

    def seal(self, clear: bytes, plaintext: bytes) -> bytes:
        """Return the datagram `clear`, ciphertext, tag, nonce. Any thread.

        Raises TransportLost once all 2**32 nonces are used up: only a new session brings a new key.
        """
        with self._lock:
            nonce = self._next_nonce
            if nonce >= _NONCE_COUNT:
                raise TransportLost("every nonce of this transport key is used up")
            self._next_nonce = nonce + 1
        return self._seal(clear, plaintext, nonce.to_bytes(NONCE_BYTES, "big"))

    def seal_rtcp(self, compound: bytes) -> bytes:
        """Return the datagram of a compound RTCP packet; see `seal`. Any thread."""
        return self.seal(compound[:RTCP_CLEAR_BYTES], compound[RTCP_CLEAR_BYTES:])

    @property
    def sealed_packets(self) -> int:
        """How many nonces were used, for reports and for the sender reports of RTCP."""
        return self._next_nonce

    def __repr__(self) -> str:
        return f"<PacketSealer {self._mode.value} sealed_packets={self._next_nonce}>"

    def __reduce__(self) -> NoReturn:
        # copy, deepcopy and pickle would all make a second counter for the same key
        raise TypeError("a PacketSealer cannot be copied")
