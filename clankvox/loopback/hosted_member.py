"""Where the DAVE member of a speaker lives: in this process, or in a child of its own, for libdave can abort."""

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from clankvox.errors import MlsError, OpenFailed
from clankvox.loopback.member import Answer, DaveMember
from clankvox.loopback.member_engine import VideoCodec
from clankvox.wire.gateway_ops import Op, Payload

Answered = Callable[[list[Answer]], None]
"""Takes the answers to a gateway message."""
Ciphered = Callable[[bytes | None], None]
"""Takes a frame, or None if the library refused it."""


class HostedMember(Protocol):
    """A member whose results come by callback, each in the order of its calls. The event loop owns it."""

    @property
    def version(self) -> int:
        """The executed protocol version, as far as it is known here."""
        ...

    @property
    def ready(self) -> bool:
        """Whether `encrypt` works, as far as it is known here."""
        ...

    @property
    def dropped(self) -> Mapping[str, int]:
        """Messages that had no effect, by cause."""
        ...

    @property
    def refused(self) -> Mapping[int, Mapping[str, int]]:
        """Opus frames that did not open, by sender and by what is known of them (refused.Refusal)."""
        ...

    def users_connected(self, user_ids: Iterable[int]) -> None:
        """Op 11."""
        ...

    def user_left(self, user_id: int) -> None:
        """Op 13."""
        ...

    def start(self, version: int, answered: Answered) -> None:
        """Op 4."""
        ...

    def receive(self, op: Op, payload: bytes | Payload, answered: Answered) -> None:
        """Take a message of ops 21, 22, 24, 25, 27, 29 or 30."""
        ...

    def encrypt(self, frame: bytes, done: Ciphered) -> None:
        """Encrypt an Opus frame."""
        ...

    def decrypt(self, user_id: int, frame: bytes, done: Ciphered, *, told: bool = True) -> None:
        """Decrypt an Opus frame of `user_id`, who had answered all that the server `told` it, or had not."""
        ...

    def encrypt_video(self, codec: VideoCodec, frame: bytes, done: Ciphered) -> None:
        """Encrypt a whole picture."""
        ...

    def decrypt_video(self, user_id: int, frame: bytes, done: Ciphered) -> None:
        """Decrypt a whole picture of `user_id`."""
        ...

    def close(self) -> None:
        """Let go of the member; no callback comes after this."""
        ...


class InlineMember:
    """A member in this process; every callback comes before the call returns."""

    def __init__(self, member: DaveMember) -> None:
        """Host `member`."""
        self._member = member

    @property
    def version(self) -> int:
        """See HostedMember."""
        return self._member.version

    @property
    def ready(self) -> bool:
        """See HostedMember."""
        return self._member.ready

    @property
    def dropped(self) -> Mapping[str, int]:
        """See HostedMember."""
        return self._member.dropped

    @property
    def refused(self) -> Mapping[int, Mapping[str, int]]:
        """See HostedMember."""
        return self._member.refused.counts

    def users_connected(self, user_ids: Iterable[int]) -> None:
        """See HostedMember."""
        self._member.users_connected(user_ids)

    def user_left(self, user_id: int) -> None:
        """See HostedMember."""
        self._member.user_left(user_id)

    def start(self, version: int, answered: Answered) -> None:
        """See HostedMember."""
        answered(self._member.start(version))

    def receive(self, op: Op, payload: bytes | Payload, answered: Answered) -> None:
        """See HostedMember."""
        answered(self._member.receive(op, payload))

    def encrypt(self, frame: bytes, done: Ciphered) -> None:
        """See HostedMember."""
        done(_unless_refused(lambda: self._member.encrypt_opus(frame)))

    def decrypt(self, user_id: int, frame: bytes, done: Ciphered, *, told: bool = True) -> None:
        """See HostedMember."""
        done(_unless_refused(lambda: self._member.decrypt(user_id, frame, told=told)))

    def encrypt_video(self, codec: VideoCodec, frame: bytes, done: Ciphered) -> None:
        """See HostedMember."""
        done(_unless_refused(lambda: self._member.encrypt_video(codec, frame)))

    def decrypt_video(self, user_id: int, frame: bytes, done: Ciphered) -> None:
        """See HostedMember."""
        done(_unless_refused(lambda: self._member.decrypt_video(user_id, frame)))

    def close(self) -> None:
        """See HostedMember."""


def _unless_refused(call: Callable[[], bytes]) -> bytes | None:
    try:
        return call()
    except (MlsError, OpenFailed):
        return None
