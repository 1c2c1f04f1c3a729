"""A parent of the real process: what a voice agent's side of the two pipes looks like.

    with VoxParent() as vox:
        vox.send({"type": "join", "connectionId": "c1", "guildId": "1", "channelId": "2"})
        payload = vox.wait_for("adapter_send").body["payload"]

Events and captured audio are kept with the instant of their arrival (seconds on the monotonic clock), in the order in
which the process wrote them. One thread reads stdout, one stderr; every method is for any thread but those.
"""

import os
import struct
import subprocess
import sys
import threading
import wave
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, BinaryIO, Final, NamedTuple, Self, TypeAlias

import orjson

from clankvox.clock import SystemClock
from clankvox.demo.journal import Journal, NotSeen
from clankvox.errors import ClankvoxError, WireError

FRAME_END_BYTES: Final = 32 * 1024 * 1024
_PREFIX: Final = struct.Struct("<BI")
_HEADER: Final = struct.Struct("<QHII")
_ID_LENGTH: Final = struct.Struct("<H")
_TIMING: Final = struct.Struct("<HBBHQQI")
_FORMAT_TIMED_AUDIO: Final = 2
_SAMPLE_BYTES: Final = 2
_READY_S: Final = 5.0
_END_S: Final = 2.0
_STDERR_LINES: Final = 10_000


class ProcessGone(ClankvoxError):
    """The process takes no commands any more."""

    code = "process_gone"


class Event(NamedTuple):
    """A JSON event of the process."""

    at_s: float
    body: dict[str, Any]

    @property
    def type(self) -> str:
        """Its wire tag."""
        return str(self.body.get("type"))


class AudioTiming(NamedTuple):
    """When a piece was made and came, in 48 kHz ticks of the process's clock; `origin` 0 is received."""

    origin: int
    media_time: int
    arrival: int
    duration: int


class UserAudio(NamedTuple):
    """A piece of captured speech: s16le mono at the rate that was subscribed."""

    at_s: float
    user_id: int
    capture_id: str | None
    peak: int
    active_samples: int
    samples: int
    pcm: bytes
    timing: AudioTiming | None = None
    """Of a capture that asked for its timeline."""


Entry: TypeAlias = Event | UserAudio


class VoxParent:
    """A context: spawns the process on entry and waits for `process_ready`; ends it on exit, by force if it must."""

    def __init__(
        self,
        *,
        env: Mapping[str, str] | None = None,
        args: Sequence[str] = (),
        command: Sequence[str] = (sys.executable, "-m", "clankvox"),
        journal: Journal[Entry] | None = None,
    ) -> None:
        """Add `env` to the environment and `args` to the command line of `command`.

        A `journal` of the caller's own may forget what nobody asks for: a call of hours does not fit into memory.
        """
        self._command = [*command, *args]
        self._env = {**os.environ, **(env or {})}
        self._clock = SystemClock()
        self._journal: Journal[Entry] = Journal() if journal is None else journal
        self._stdin_lock = threading.Lock()
        self._stderr: deque[str] = deque(maxlen=_STDERR_LINES)
        self.fault: WireError | None = None
        """What was wrong with the frames; the process was killed for it."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter
            self._command, env=self._env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        stdin, stdout, stderr = self._process.stdin, self._process.stdout, self._process.stderr
        if stdin is None or stdout is None or stderr is None:
            raise ProcessGone("the process has no pipes")
        self._stdin: IO[bytes] = stdin
        self._threads = [
            threading.Thread(target=self._read_frames, args=(stdout,), name="parent-stdout", daemon=True),
            threading.Thread(target=self._read_stderr, args=(stderr,), name="parent-stderr", daemon=True),
        ]
        for thread in self._threads:
            thread.start()
        try:
            self._check_first(self._journal.wait_for(lambda _: True, "process_ready", _READY_S)[1])
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    # --- to the process ----------------------------------------------------------------------------------

    def send(self, command: Mapping[str, Any]) -> float:
        """Write one command and return the instant; ProcessGone if nobody reads it."""
        return self.send_line(orjson.dumps(command))

    def send_line(self, line: bytes) -> float:
        """Write one line as it is, for tests of what no parent should send."""
        try:
            with self._stdin_lock:
                self._stdin.write(line + b"\n")
                self._stdin.flush()
        except (OSError, ValueError) as error:
            raise ProcessGone("the process does not read its commands") from error
        return self._clock.now()

    def close_stdin(self) -> None:
        """End the commands, which has to end the process."""
        with self._stdin_lock:
            try:
                self._stdin.close()
            except OSError:  # what was still buffered has no reader
                return

    # --- from the process --------------------------------------------------------------------------------

    @property
    def entries(self) -> list[Entry]:
        """Events and audio so far, in the order in which they were written."""
        return self._journal.entries

    @property
    def events(self) -> list[Event]:
        """All events so far."""
        return [entry for entry in self._journal.entries if isinstance(entry, Event)]

    def events_of(self, kind: str, **fields: Any) -> list[Event]:
        """Return the events of one type whose `fields` (wire names) have these values."""
        return [event for event in self.events if _matches(event, kind, fields)]

    @property
    def audio(self) -> list[UserAudio]:
        """All captured audio so far."""
        return [entry for entry in self._journal.entries if isinstance(entry, UserAudio)]

    def audio_of(self, user_id: int | str, capture_id: str | None = None) -> list[UserAudio]:
        """Return what was captured of one user, with an id only that capture."""
        mine = [piece for piece in self.audio if piece.user_id == int(user_id)]
        return [piece for piece in mine if capture_id is None or piece.capture_id == capture_id]

    def save_wav(self, path: Path, user_id: int | str, sample_rate_hz: int, capture_id: str | None = None) -> None:
        """Write what was captured of one user, at the rate that was subscribed."""
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(_SAMPLE_BYTES)
            file.setframerate(sample_rate_hz)
            file.writeframes(b"".join(piece.pcm for piece in self.audio_of(user_id, capture_id)))

    @property
    def stderr_lines(self) -> list[str]:
        """The last lines of its log."""
        return list(self._stderr)

    def mark(self) -> int:
        """Return a position to give as `since`: only what comes after now counts."""
        return len(self._journal)

    def wait_for(self, kind: str, *, timeout_s: float = 10.0, since: int = 0, **fields: Any) -> Event:
        """Return the first event of type `kind` from `since` on whose `fields` (wire names) match; else NotSeen."""
        return self.wait_for_either({kind: fields}, timeout_s=timeout_s, since=since)

    def wait_for_either(
        self, wanted: Mapping[str, Mapping[str, Any]], *, timeout_s: float = 10.0, since: int = 0
    ) -> Event:
        """Return the first event from `since` on that is of one of the types and has its fields; else NotSeen."""
        what = " or ".join(wanted)
        _, entry = self._journal.wait_for(
            lambda entry: any(_matches(entry, kind, fields) for kind, fields in wanted.items()), what, timeout_s, since
        )
        if not isinstance(entry, Event):  # `_matches` takes events only
            raise NotSeen(what)
        return entry

    def wait_for_audio(self, user_id: int | str, *, timeout_s: float = 10.0, since: int = 0) -> UserAudio:
        """Return the first captured piece of a user from `since` on; else NotSeen."""
        wanted = int(user_id)
        _, entry = self._journal.wait_for(
            lambda entry: isinstance(entry, UserAudio) and entry.user_id == wanted, "user_audio", timeout_s, since
        )
        if not isinstance(entry, UserAudio):
            raise NotSeen("user_audio")
        return entry

    # --- its life ----------------------------------------------------------------------------------------

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative: ended by that signal."""
        return self._process.poll()

    def wait_exit(self, timeout_s: float = _END_S) -> int:
        """Return the exit code once everything it wrote was read; NotSeen if it goes on running."""
        try:
            code = self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise NotSeen(f"exit: not within {timeout_s:g} s") from None
        for thread in self._threads:
            thread.join(_END_S)
        return code

    def _end(self) -> None:
        self.close_stdin()
        try:
            self.wait_exit()
        except NotSeen:
            self._process.kill()
            self.wait_exit()

    def _check_first(self, entry: Entry) -> None:
        if not _matches(entry, "process_ready", {"protocolVersion": 1}):
            raise NotSeen("process_ready of protocol 1 has to be the first frame")

    def _read_frames(self, stream: BinaryIO) -> None:
        try:
            while (entry := read_entry(stream, self._clock)) is not None:
                self._journal.append(entry)
        except WireError as fault:
            self.fault = fault
            self._process.kill()
        finally:
            self._journal.end()
            stream.close()

    def _read_stderr(self, stream: BinaryIO) -> None:
        with stream:
            for line in stream:
                self._stderr.append(line.decode(errors="replace").rstrip())


def read_entry(stream: BinaryIO, clock: SystemClock) -> Entry | None:
    """Read one frame, `u8 format | u32le length | payload`; None at the end, WireError if the stream is out of step."""
    prefix = stream.read(_PREFIX.size)
    if not prefix:
        return None
    if len(prefix) < _PREFIX.size:
        raise WireError("a frame ends in its prefix")
    frame_format, length = _PREFIX.unpack(prefix)
    if frame_format > _FORMAT_TIMED_AUDIO or length >= FRAME_END_BYTES:
        raise WireError("not the beginning of a frame")
    payload = stream.read(length)
    if len(payload) < length:
        raise WireError("a frame ends in its payload")
    if frame_format == _FORMAT_TIMED_AUDIO:
        return parse_timed_audio(payload, clock.now())
    return _parse_event(payload, clock.now()) if frame_format == 0 else parse_user_audio(payload, clock.now())


def parse_user_audio(payload: bytes, at_s: float) -> UserAudio:
    """Read captured audio in either header form: the sample count tells how long the header is. Raises WireError."""
    if len(payload) < _HEADER.size:
        raise WireError("audio without a whole header")
    user_id, peak, active, samples = _HEADER.unpack_from(payload)
    header_bytes = len(payload) - samples * _SAMPLE_BYTES
    capture_id = None
    if header_bytes != _HEADER.size:
        id_at = _HEADER.size + _ID_LENGTH.size
        if header_bytes <= id_at or _ID_LENGTH.unpack_from(payload, _HEADER.size)[0] != header_bytes - id_at:
            raise WireError("audio whose length does not fit its header")
        try:
            capture_id = payload[id_at:header_bytes].decode()
        except UnicodeDecodeError as error:
            raise WireError("a capture id that is not UTF-8") from error
    if active > samples:
        raise WireError("more active samples than samples")
    return UserAudio(at_s, user_id, capture_id, peak, active, samples, payload[header_bytes:])


def parse_timed_audio(payload: bytes, at_s: float) -> UserAudio:
    """Read captured audio with its timing; what a later version of the block appends is skipped. Raises WireError."""
    try:
        block_at = _HEADER.size + _ID_LENGTH.size + _ID_LENGTH.unpack_from(payload, _HEADER.size)[0]
        block_bytes, _, origin, _, media_time, arrival, duration = _TIMING.unpack_from(payload, block_at)
    except struct.error as error:
        raise WireError("audio without a whole header") from error
    names_capture = block_at > _HEADER.size + _ID_LENGTH.size
    plain = payload[: block_at if names_capture else _HEADER.size] + payload[block_at + block_bytes :]
    timing = AudioTiming(origin, media_time, arrival, duration)
    return parse_user_audio(plain, at_s)._replace(timing=timing)


def _parse_event(payload: bytes, at_s: float) -> Event:
    try:
        body = orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        raise WireError("an event that is not JSON") from error
    if not isinstance(body, dict):
        raise WireError("an event that is no object")
    return Event(at_s, body)


def _matches(entry: Entry, kind: str, fields: Mapping[str, Any]) -> bool:
    if not isinstance(entry, Event) or entry.type != kind:
        return False
    return all(name in entry.body and entry.body[name] == value for name, value in fields.items())
