"""The parent's end of a DAVE member in a process of its own."""

import asyncio
import sys
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Final, Self

import msgspec

from clankvox.errors import InvalidRequest
from clankvox.loopback.hosted_member import Answered, Ciphered
from clankvox.loopback.member import Answer
from clankvox.loopback.member_engine import VideoCodec
from clankvox.loopback.member_process import ENCRYPT, LENGTH_BYTES, Reply, Request, pack, pack_payload, unpack_payload
from clankvox.wire.gateway_ops import Op, Payload

_START_S: Final = 30.0
_MAX_WAITING: Final = 4096
"""Calls without a reply yet; a child that is so far behind is as good as dead."""


class ChildMember:
    """A hosted member with libdave. The event loop owns it."""

    def __init__(self, process: asyncio.subprocess.Process, hello: Reply) -> None:
        """Drive `process`, whose first reply was `hello`."""
        self.on_lost: Callable[[], None] | None = None
        """Called once if the child ends by itself."""
        self._process = process
        self._state = hello
        self._waiting: deque[Callable[[Reply], None]] = deque()
        self._unanswered = 0
        self._reader = asyncio.create_task(self._read())

    @classmethod
    async def spawn(cls, user_id: int, channel_id: int) -> Self:
        """Start a child; InvalidRequest if libdave is not installed or the system has no such processes."""
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "clankvox.loopback.member_process",
                str(user_id),
                str(channel_id),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
            )
        except (OSError, NotImplementedError) as error:
            raise InvalidRequest("cannot start a process for libdave") from error
        try:
            hello = await asyncio.wait_for(_next_reply(process), _START_S)
        except (asyncio.IncompleteReadError, TimeoutError) as error:
            with suppress(ProcessLookupError):
                process.kill()
            raise InvalidRequest("libdave needs the package dave.py") from error
        return cls(process, hello)

    @property
    def version(self) -> int:
        """See HostedMember."""
        return self._state.version

    @property
    def ready(self) -> bool:
        """See HostedMember. False while the child has not answered what may change it."""
        return self._state.ready and not self._unanswered

    @property
    def dropped(self) -> Mapping[str, int]:
        """See HostedMember."""
        return self._state.dropped

    @property
    def refused(self) -> Mapping[int, Mapping[str, int]]:
        """See HostedMember."""
        return self._state.refused

    def users_connected(self, user_ids: Iterable[int]) -> None:
        """See HostedMember."""
        for user_id in user_ids:
            self._call(Request("connected", user_id), _ignore)

    def user_left(self, user_id: int) -> None:
        """See HostedMember."""
        self._call(Request("left", user_id), _ignore)

    def start(self, version: int, answered: Answered) -> None:
        """See HostedMember."""
        self._converse(Request("start", version), answered)

    def receive(self, op: Op, payload: bytes | Payload, answered: Answered) -> None:
        """See HostedMember."""
        self._converse(Request("receive", int(op), pack_payload(payload)), answered)

    def encrypt(self, frame: bytes, done: Ciphered) -> None:
        """See HostedMember."""
        self._call(Request("encrypt", 0, frame), lambda reply: done(reply.frame))

    def decrypt(self, user_id: int, frame: bytes, done: Ciphered, *, told: bool = True) -> None:
        """See HostedMember."""
        self._call(Request("decrypt" if told else "decrypt_in_flight", user_id, frame), lambda reply: done(reply.frame))

    def encrypt_video(self, codec: VideoCodec, frame: bytes, done: Ciphered) -> None:
        """See HostedMember."""
        self._call(Request(ENCRYPT[codec], 0, frame), lambda reply: done(reply.frame))

    def decrypt_video(self, user_id: int, frame: bytes, done: Ciphered) -> None:
        """See HostedMember."""
        self._call(Request("decrypt_video", user_id, frame), lambda reply: done(reply.frame))

    def close(self) -> None:
        """See HostedMember."""
        self._waiting.clear()
        self._reader.cancel()
        with suppress(ProcessLookupError):
            self._process.kill()

    async def ended(self) -> None:
        """Wait until the process is gone, after `close`."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        await self._process.wait()

    def _converse(self, request: Request, answered: Answered) -> None:
        def replied(reply: Reply) -> None:
            self._unanswered -= 1
            answered(_answers(reply))

        self._unanswered += 1
        self._call(request, replied)

    def _call(self, request: Request, replied: Callable[[Reply], None]) -> None:
        stdin = self._process.stdin
        if stdin is None or stdin.is_closing():
            return
        if len(self._waiting) >= _MAX_WAITING:
            with suppress(ProcessLookupError):
                self._process.kill()
            return
        self._waiting.append(replied)
        stdin.write(pack(request))

    async def _read(self) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                self._state = await _next_reply(self._process)
                self._waiting.popleft()(self._state)
        self._waiting.clear()
        if self.on_lost is not None:
            self.on_lost()


async def _next_reply(process: asyncio.subprocess.Process) -> Reply:
    stdout = process.stdout
    if stdout is None:
        raise asyncio.IncompleteReadError(b"", LENGTH_BYTES)
    length = int.from_bytes(await stdout.readexactly(LENGTH_BYTES), "big")
    return msgspec.msgpack.decode(await stdout.readexactly(length), type=Reply)


def _answers(reply: Reply) -> list[Answer]:
    return [Answer(Op(op), unpack_payload(Op(op), data)) for op, data in reply.answers]


def _ignore(_reply: Reply) -> None:
    return
