"""A parent of clankvox, standard library only: joins a call, captures each utterance to a WAV file, plays one.

    clankvox loopback --no-tls --port 7000
    python examples/python/parent.py --endpoint ws://127.0.0.1:7000 --play hello.wav

Your bot replaces `gateway`; the rest is what any parent does. Prints every event. Exit code 1: the call did not hold.
"""

import argparse
import asyncio
import base64
import contextlib
import json
import shlex
import signal
import struct
import sys
import wave
from pathlib import Path
from typing import Any

PLAYBACK_ID = "speech-1"
PCM_HZ = 24_000  # of captures, and of --play files that are not WAV
QUEUED_SAMPLES = 2 * 48_000  # buffer_depth counts at 48 kHz
MAX_FRAME_BYTES = 32 * 1024 * 1024
PREFIX = struct.Struct("<BI")  # format, payload length
AUDIO_HEADER = struct.Struct("<QHIIH")  # user, peak, active samples, samples, length of the capture id

Fields = dict[str, Any]


class CallFailed(Exception):
    """The call cannot go on; the text says why."""


def gateway(payload: Fields, options: argparse.Namespace) -> list[Fields]:
    """Stand in for your bot's gateway connection, as far as the offline Discord needs one.

    A bot sends `payload` as it is on its gateway WebSocket, and passes on the `d` of what Discord dispatches,
    whenever it comes: its own VOICE_STATE_UPDATE as voice_state, VOICE_SERVER_UPDATE as voice_server.
    """
    asked = payload["d"]
    if asked["channel_id"] is None:  # it was `leave`
        return []
    state = {"user_id": options.user, "session_id": "example-session", "channel_id": asked["channel_id"]}
    server = {"guild_id": asked["guild_id"], "endpoint": options.endpoint, "token": options.token}
    return [{"type": "voice_state", "data": state}, {"type": "voice_server", "data": server}]


class Captures:
    """One WAV file an utterance, named after its capture."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.count = 0
        self.files: dict[str, wave.Wave_write] = {}
        folder.mkdir(parents=True, exist_ok=True)

    def subscription(self, user_id: str) -> Fields:
        """Return the command that captures what this user is beginning to say, first word included."""
        self.count += 1
        capture_id = f"{user_id}-{self.count}"
        return {"type": "subscribe_user", "userId": user_id, "captureId": capture_id, "sampleRate": PCM_HZ}

    def add(self, payload: bytes) -> None:
        """Take a frame of format 1."""
        _user, _peak, _active, samples, id_bytes = AUDIO_HEADER.unpack_from(payload)
        capture_id = payload[AUDIO_HEADER.size :][:id_bytes].decode()
        pcm = payload[AUDIO_HEADER.size + id_bytes :]
        if len(pcm) != samples * 2:
            raise CallFailed("captured audio does not fit its header")
        if capture_id not in self.files:
            file = self.files[capture_id] = wave.open(str(self.folder / f"{capture_id}.wav"), "wb")  # noqa: SIM115
            file.setparams((1, 2, PCM_HZ, 0, "NONE", ""))
        self.files[capture_id].writeframesraw(pcm)

    def end(self, capture_id: str) -> None:
        """Complete the file, if there was any audio."""
        if file := self.files.pop(capture_id, None):
            file.close()

    def end_all(self) -> None:
        """Complete what was cut short."""
        for capture_id in list(self.files):
            self.end(capture_id)


class Call:
    """One call over one clankvox process."""

    def __init__(self, stdin: asyncio.StreamWriter, stdout: asyncio.StreamReader, options: argparse.Namespace) -> None:
        self.stdin, self.stdout, self.options = stdin, stdout, options
        self.captures = Captures(options.out)
        self.hang_up = asyncio.Event()
        self.may_speak = asyncio.Event()
        self.leaving = False
        self.awaited: list[tuple[Fields, asyncio.Future[None]]] = []

    async def hold(self) -> None:
        """Join, speak, listen, leave."""
        await self.event(5, type="process_ready", protocolVersion=1)
        encrypted = self.event(30, type="dave_state", role="voice", status="ready")
        await self.send(type="join", connectionId="call-1", guildId=self.options.guild, channelId=self.options.channel)
        await encrypted
        until = asyncio.get_running_loop().time() + self.options.seconds
        if self.options.play:
            await self.speak(*read_pcm(self.options.play))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(until):
                await self.hang_up.wait()
        self.leaving = True
        left = self.event(5, type="transport_state", role="voice", status="disconnected")
        await self.send(type="leave")
        await left
        await self.send(type="destroy")

    async def speak(self, pcm: bytes, rate_hz: int) -> None:
        """Say it with about two seconds queued: no hiccup of ours is heard, and there is little to take back."""
        chunk_bytes = rate_hz // 5 * 2  # 200 ms
        self.may_speak.set()
        for at in range(0, len(pcm), chunk_bytes):
            await self.may_speak.wait()
            self.may_speak.clear()  # until the next buffer_depth: every chunk brings one about
            if self.hang_up.is_set():
                break
            chunk = base64.b64encode(pcm[at : at + chunk_bytes]).decode()
            await self.send(type="audio", playbackId=PLAYBACK_ID, sampleRate=rate_hz, pcmBase64=chunk)
        drained = self.event(30, type="tts_playback_state", playbackId=PLAYBACK_ID, status="drained")
        await self.send(type="finish_tts_playback", playbackId=PLAYBACK_ID)
        await drained

    async def send(self, **command: Any) -> None:
        """Write a command, and wait while the pipe is full."""
        self.stdin.write(json.dumps(command).encode() + b"\n")
        with contextlib.suppress(ConnectionError):  # it ended: what it wrote last says why
            await self.stdin.drain()

    def event(self, seconds: float, **fields: Any) -> "asyncio.Future[None]":
        """Return what is done once an event with these fields has come; ask before you send what brings it about."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()

        def give_up() -> None:
            if not future.done():
                future.set_exception(CallFailed(f"no {fields['type']} within {seconds:g} s"))

        loop.call_later(seconds, give_up)
        self.awaited.append((fields, future))
        return future

    async def read(self) -> None:
        """Read frames until clankvox ends. A frame that makes no sense means that we lost step: never go on."""
        try:
            while prefix := await self.stdout.read(1):
                kind, length = PREFIX.unpack(prefix + await self.stdout.readexactly(PREFIX.size - 1))
                if kind > 1 or length >= MAX_FRAME_BYTES:
                    raise CallFailed(f"a frame of unknown format {kind} or of {length} bytes")
                payload = await self.stdout.readexactly(length)
                if kind == 1:
                    self.captures.add(payload)
                else:
                    await self.on_event(json.loads(payload))
        except asyncio.IncompleteReadError:
            raise CallFailed("clankvox ended within a frame") from None
        if not self.leaving:
            raise CallFailed("clankvox ended by itself")

    async def on_event(self, event: Fields) -> None:
        """React to one event."""
        print(json.dumps(event), flush=True)
        match event:
            case {"type": "adapter_send", "payload": payload}:
                for command in gateway(payload, self.options):
                    await self.send(**command)
            case {"type": "speaking_start", "userId": user_id} if "captureId" not in event:
                await self.send(**self.captures.subscription(user_id))
            case {"type": "user_audio_end", "captureId": capture_id}:
                self.captures.end(capture_id)
            case {"type": "buffer_depth", "ttsSamples": queued} if queued < QUEUED_SAMPLES:
                self.may_speak.set()
            case {"type": "tts_playback_state", "status": "failed" | "stopped"} if not self.leaving:
                raise CallFailed(f"not said: {event.get('reason')}")
            case {"type": "error"}:
                raise CallFailed(f"{event['code']}: {event['message']}")
            case {"type": "transport_state", "role": "voice", "status": "disconnected" | "failed"} if not self.leaving:
                raise CallFailed(f"disconnected: {event.get('reason')}")
            case {"type": "dave_state", "status": "disabled"}:
                raise CallFailed("not end-to-end encrypted")  # whether to go on in clear is your policy
        for fields, future in self.awaited:
            if fields.items() <= event.items() and not future.done():
                future.set_result(None)


def read_pcm(path: Path) -> tuple[bytes, int]:
    """Return s16le mono and its rate: a WAV file, or raw PCM at 24 kHz."""
    if path.suffix != ".wav":
        return path.read_bytes(), PCM_HZ
    with wave.open(str(path)) as file:
        if file.getnchannels() != 1 or file.getsampwidth() != 2:
            raise CallFailed("--play takes mono with 16 bits: ffmpeg -i any.mp3 -ac 1 -ar 24000 -c:a pcm_s16le out.wav")
        return file.readframes(file.getnframes()), file.getframerate()


async def run(options: argparse.Namespace) -> None:
    """Start clankvox, hold one call, and see it end."""
    vox = await asyncio.create_subprocess_exec(
        *shlex.split(options.clankvox),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for us: we leave the call first
    )
    if not (vox.stdin and vox.stdout):
        raise CallFailed("no pipes")
    call = Call(vox.stdin, vox.stdout, options)
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, call.hang_up.set)
    try:
        async with asyncio.TaskGroup() as group:  # the failure of one ends the other
            reader = group.create_task(call.read())
            await call.hold()
            await asyncio.wait_for(reader, 5)
        if code := await asyncio.wait_for(vox.wait(), 5):
            raise CallFailed(f"clankvox ended with exit code {code}")
    finally:
        call.captures.end_all()
        if vox.returncode is None:
            vox.kill()
            await vox.wait()


def main() -> int:
    """Run the example; returns the exit code."""
    flags = argparse.ArgumentParser(description="Join a call, capture every speaker to WAV files, play a file.")
    flags.add_argument("--endpoint", required=True, help="of the voice server, such as ws://127.0.0.1:7000")
    flags.add_argument("--token", default="example-token")
    flags.add_argument("--guild", default="1", help="(%(default)s)")
    flags.add_argument("--channel", default="2", help="(%(default)s)")
    flags.add_argument("--user", default="10", help="our own user id (%(default)s)")
    flags.add_argument("--play", type=Path, metavar="FILE", help="WAV (16 bits, mono), or raw s16le mono at 24 kHz")
    flags.add_argument("--out", type=Path, default=Path("captured"), metavar="DIR", help="(%(default)s)")
    flags.add_argument("--seconds", type=float, default=30, help="how long to listen at least (%(default)s)")
    flags.add_argument("--clankvox", default="clankvox", metavar="COMMAND", help="how to start it (%(default)s)")
    options = flags.parse_args()
    exit_code = 0
    try:
        asyncio.run(run(options))
    except* (CallFailed, OSError, EOFError, ValueError, struct.error, wave.Error) as failures:
        exit_code = 1
        for failure in failures.exceptions:
            print(f"parent: {str(failure) or type(failure).__name__}", file=sys.stderr)
    return exit_code


if __name__ == "__main__":
    sys.exit(main())
