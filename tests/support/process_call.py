"""What tests of the real process do again and again: spawn it, bring it into a call, read what it said."""

import base64
import io
import itertools
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from clankvox.clock import SystemClock
from clankvox.demo import sound
from clankvox.demo.journal import NotSeen
from clankvox.demo.offline import OfflineDiscord
from clankvox.demo.parent import Entry, Event, UserAudio, VoxParent, read_entry

COMMAND = (sys.executable, "-m", "clankvox")
DEADLINE_S = 20.0
TELEMETRY = ("buffer_depth", "transport_stats", "stream_stats", "log")
TOKEN = "token-5bd1f0c2-that-nobody-may-see"
SESSION = "session-9c3e77a1-that-nobody-may-see"
RATE_HZ = 48_000
FRAME_SAMPLES = 960
TRAILING_SILENCE = 5

_numbers = itertools.count(1)


class Run(NamedTuple):
    """A process that has ended."""

    entries: list[Entry]
    code: int
    stderr: str

    @property
    def events(self) -> list[dict[str, Any]]:
        """All events but telemetry."""
        return bodies(self.entries)


def run(
    *lines: bytes, args: Sequence[str] = (), env: Mapping[str, str] | None = None, end: bytes = b"", code: int = 0
) -> Run:
    """Write `lines` and then `end`, close stdin, and return everything that the process said; it ends with `code`."""
    done = subprocess.run(
        [*COMMAND, *args],
        input=b"".join(line + b"\n" for line in lines) + end,
        capture_output=True,
        env={**os.environ, **(env or {})},
        timeout=DEADLINE_S,
        check=False,
    )
    stderr = done.stderr.decode(errors="replace")
    assert done.returncode == code, stderr
    return Run(frames_of(done.stdout), done.returncode, stderr)


def frames_of(stdout: bytes) -> list[Entry]:
    """Cut all of stdout into frames; WireError if any byte of it is in none."""
    stream, clock = io.BytesIO(stdout), SystemClock()
    return list(iter(lambda: read_entry(stream, clock), None))


def bodies(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """Return the events without telemetry, which comes when time passes."""
    return [entry.body for entry in entries if isinstance(entry, Event) and entry.type not in TELEMETRY]


def line(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


def probe(name: str) -> dict[str, str]:
    """Return a command that is answered whatever the state; the answer is `answer_of` it."""
    return {"type": "finish_tts_playback", "playbackId": name}


def answer_of(name: str) -> dict[str, str]:
    return {"type": "tts_playback_state", "playbackId": name, "status": "failed", "reason": "stale_playback_id"}


def eventually(check: Callable[[], Any], what: str, deadline_s: float = DEADLINE_S) -> Any:
    """Return what `check` returns once it is true; for what nobody announces, such as counters."""
    limit = time.monotonic() + deadline_s
    while not (found := check()):
        assert time.monotonic() < limit, f"never: {what}"
        time.sleep(0.02)
    return found


def wait_gone(pid: int) -> None:
    """Return when the process `pid`, which need not be a child, has ended."""
    try:
        watched = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        assert select.select([watched], [], [], DEADLINE_S)[0], f"process {pid} goes on"
    finally:
        os.close(watched)


def interrupt(vox: VoxParent, number: signal.Signals) -> None:
    os.kill(vox.pid, number)


# --- sound ------------------------------------------------------------------------------------------------------------


def chirp(seconds: float, low_hz: float = 300.0, high_hz: float = 3_000.0, rate_hz: int = RATE_HZ) -> np.ndarray:
    """A rising tone that is loud from its first sample on and like no other part of itself. Int16 mono."""
    moments = np.arange(int(seconds * rate_hz)) / rate_hz
    phase = 2 * np.pi * (low_hz * moments + (high_hz - low_hz) * moments**2 / (2 * seconds))
    return np.rint(9_000 * np.sin(phase)).astype(np.int16)


def write_wav(path: Path, pcm: np.ndarray) -> Path:
    sound.save_wav(path, pcm)
    return path


def pcm_of(pieces: Sequence[UserAudio]) -> np.ndarray:
    return np.frombuffer(b"".join(piece.pcm for piece in pieces), np.int16)


def loudest_hz(pcm: np.ndarray, rate_hz: int = RATE_HZ) -> float:
    spectrum = np.abs(np.fft.rfft(pcm * np.hanning(len(pcm))))
    return float(np.argmax(spectrum)) * rate_hz / len(pcm)


# --- a call -----------------------------------------------------------------------------------------------------------


class Call:
    """One parent, its process and the offline Discord. Every call has a room and user ids of its own."""

    def __init__(self, vox: VoxParent, discord: OfflineDiscord, *, connection_id: str | None = "c1") -> None:
        """A parent that gives ids is a V parent, one that does not is M or L."""
        number = next(_numbers)
        self.vox, self.discord = vox, discord
        self.guild, self.channel, self.me = (str(base + number) for base in (10_000, 20_000, 30_000))
        self.connection_id = connection_id
        self.start = vox.mark()
        """The process may have been in other calls before: what it said then is not of this one."""
        self._members = itertools.count(1_000_000 + 100 * number)

    # --- what the parent and its gateway say ---

    def join(self, **changed: Any) -> None:
        ids = {} if self.connection_id is None else {"connectionId": self.connection_id}
        self.vox.send({"type": "join", "guildId": self.guild, "channelId": self.channel, **ids, **changed})

    def voice_state(self, **changed: Any) -> None:
        data = {"session_id": SESSION, "user_id": self.me, "channel_id": self.channel, **changed}
        self.vox.send({"type": "voice_state", "data": data})

    def voice_server(self, **changed: Any) -> None:
        data = {"endpoint": self.discord.endpoint, "token": TOKEN, "guild_id": self.guild, **changed}
        self.vox.send({"type": "voice_server", "data": data})

    def enter(self) -> None:
        """Join and wait until the call is encrypted."""
        since = self.vox.mark()
        self.join()
        self.credentials()
        self.wait_ready(since)

    def credentials(self) -> None:
        self.voice_state()
        self.voice_server()

    def wait_ready(self, since: int | None = None) -> None:
        """Return when the session is there and, behind it, the encryption."""
        self.wait_for("ready", since=since)
        self.wait_for("dave_state", since=since, status="ready")

    # --- speech ---

    def say(
        self, pcm: np.ndarray | bytes, playback_id: str | None = None, rate_hz: int = 24_000, chunk: int = 0
    ) -> None:
        """Send `pcm` (s16le mono) in chunks of `chunk` bytes, or in one; with an id also that no more follows."""
        data = pcm if isinstance(pcm, bytes) else pcm.tobytes()
        ids = {} if playback_id is None else {"playbackId": playback_id}
        size = chunk or len(data)
        for start in range(0, len(data), size):
            text = base64.b64encode(data[start : start + size]).decode()
            self.vox.send({"type": "audio", "pcmBase64": text, "sampleRate": rate_hz, **ids})
        if playback_id is not None:
            self.vox.send({"type": "finish_tts_playback", **ids})

    def wait_said(self, playback_id: str, status: str = "drained") -> None:
        self.wait_for("tts_playback_state", playbackId=playback_id, status=status)

    # --- others ---

    def add(self, **order: Any) -> str:
        """Let another member join, who says a `file` or `tone`; return its user id."""
        user_id = str(next(self._members))
        if "file" in order:
            order["file"] = str(order["file"])
        self.discord.order({"type": "add_speaker", "userId": user_id, "serverId": self.guild, **order})
        return user_id

    def listener(self, folder: Path) -> str:
        """Let a member join who says nothing for a day, and records what it hears."""
        return self.add(tone=200, startMs=86_400_000, receive=True, record=str(folder))

    def remove(self, user_id: str) -> None:
        self.discord.order({"type": "remove_speaker", "userId": user_id})

    def close(self, code: int) -> None:
        """Have the gateway close our socket."""
        self.discord.order({"type": "close", "userId": self.me, "code": code})

    def subscribe(self, user_id: str, capture_id: str | None = None, **options: Any) -> None:
        ids = {} if capture_id is None else {"captureId": capture_id}
        self.vox.send({"type": "subscribe_user", "userId": user_id, "sampleRate": RATE_HZ, **ids, **options})

    def hang_up(self) -> None:
        """Be in no call; what the parent is told of that is this call's as well."""
        name = f"behind the call of {self.me}"
        self.vox.send({"type": "leave"})
        self.vox.send(probe(name))
        self.wait_for("tts_playback_state", playbackId=name)

    # --- what was seen ---

    @property
    def entries(self) -> list[Entry]:
        """Everything that the process said in this call."""
        return self.vox.entries[self.start :]

    @property
    def events(self) -> list[Event]:
        return [entry for entry in self.entries if isinstance(entry, Event)]

    def events_of(self, kind: str, **fields: Any) -> list[Event]:
        return [event for event in self.events if event.type == kind and fields.items() <= event.body.items()]

    def told(self, since: int | None = None) -> list[dict[str, Any]]:
        """All events of this call, or from position `since` on, but telemetry."""
        return bodies(self.vox.entries[self.start if since is None else since :])

    def wait_for(self, kind: str, *, since: int | None = None, **fields: Any) -> Event:
        begin = self.start if since is None else since
        try:
            return self.vox.wait_for(kind, since=begin, timeout_s=DEADLINE_S, **fields)
        except NotSeen as error:
            error.add_note(f"exit code {self.vox.exit_code}; its last lines: {self.vox.stderr_lines[-5:]}")
            raise

    def audio_of(self, user_id: str, capture_id: str | None = None) -> list[UserAudio]:
        return self.vox.audio_of(user_id, capture_id)

    def seen(self, user_id: str | None = None) -> dict[str, Any]:
        """What the media server counted of us (or of another member); {} if that user is not there."""
        clients = self.discord.stats()["clients"]
        mine = (client for client in clients if client["userId"] == (user_id or self.me))
        return next((client for client in mine if client["serverId"] == self.guild), {})

    def missed_by(self, user_id: str) -> int:
        """Slots of 20 ms that this member missed amid its words, because it did not get the CPU."""
        return int(self.seen(user_id)["slotsMissed"])

    def room(self) -> dict[str, Any]:
        return next(room for room in self.discord.stats()["rooms"] if room["serverId"] == self.guild)

    def leaked_frames(self) -> int:
        """Frames of ours that left in clear while they must not."""
        return int(self.seen().get("plaintextFrames", 0))


def check_nothing_leaked(vox: VoxParent) -> None:
    """No secret on stderr or in an event."""
    for text in (*vox.stderr_lines, *(json.dumps(event.body) for event in vox.events)):
        for secret in (TOKEN, SESSION):
            assert secret not in text, "a secret was shown"
            assert base64.b64encode(secret.encode()).decode()[:16] not in text, "a secret was shown"
