"""A parent of clankvox, standard library only: joins a call, captures each utterance to a WAV file, plays one.

    clankvox loopback --no-tls --port 7000
    python examples/python/parent.py --endpoint ws://127.0.0.1:7000 --play hello.wav

Your bot replaces `gateway`; the rest is what any parent does. Prints every event. Exit code 1: the call did not hold.
"""

import argparse
import asyncio
import base64
import collections
import contextlib
import json
import signal
import struct
import wave
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

PCM_HZ = 24_000  # of captures, and of --play files that are not WAV
QUEUED_SAMPLES = 2 * 48_000  # of speech; buffer_depth counts at 48 kHz
AUDIO_HEADER = struct.Struct("<QHIIH")  # user, peak, active samples, samples, length of the capture id
Fields = dict[str, Any]


def gateway(asked: Fields, options: argparse.Namespace) -> list[Fields]:
    """Stand in for your bot's gateway WebSocket, as far as the offline Discord needs one.

    A bot sends the payload there as it is, and passes on the `d` of what Discord dispatches, whenever it comes.
    """
    if asked["channel_id"] is None:  # it was `leave`
        return []
    state = {"user_id": options.user, "session_id": "example-session", "channel_id": asked["channel_id"]}
    server = {"guild_id": asked["guild_id"], "endpoint": options.endpoint, "token": options.token}
    return [{"type": "voice_state", "data": state}, {"type": "voice_server", "data": server}]


class Call:
    """One call over one clankvox process."""

    def __init__(self, stdin: asyncio.StreamWriter, stdout: asyncio.StreamReader, options: argparse.Namespace) -> None:
        self.stdin, self.stdout, self.options = stdin, stdout, options
        self.seen = collections.defaultdict[tuple[str, str], asyncio.Event](asyncio.Event)  # by type and status
        self.may_speak, self.hang_up, self.leaving = asyncio.Event(), asyncio.Event(), False
        self.files, self.captures = dict[str, wave.Wave_write](), 0

    async def hold(self) -> None:
        """Join, speak, listen, leave."""
        await self.send(type="join", connectionId="call-1", guildId=self.options.guild, channelId=self.options.channel)
        await self.come("dave_state", "ready", within_s=30)
        until = asyncio.get_running_loop().time() + self.options.seconds
        if self.options.play:
            await self.unless_hung_up(self.speak(*_read_pcm(self.options.play)))
        await self.unless_hung_up(asyncio.sleep(until - asyncio.get_running_loop().time()))
        self.leaving = True
        await self.send(type="leave")
        await self.come("transport_state", "disconnected", within_s=5)
        await self.send(type="destroy")

    async def unless_hung_up(self, work: Coroutine[Any, Any, None]) -> None:
        """Do this, or as much of it as there is time for: while nobody is there, nothing that we say is ever over."""
        tasks = [asyncio.ensure_future(work), asyncio.ensure_future(self.hang_up.wait())]
        done, given_up = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in given_up:
            task.cancel()
        for task in done:
            task.result()

    async def speak(self, pcm: bytes, rate_hz: int) -> None:
        """Say it with about two seconds queued: no hiccup of ours is heard, and there is little to take back."""
        chunk_bytes = rate_hz // 5 * 2  # 200 ms
        self.may_speak.set()
        for at in range(0, len(pcm), chunk_bytes):
            await self.may_speak.wait()
            self.may_speak.clear()  # until the next buffer_depth: every chunk brings one about
            chunk = base64.b64encode(pcm[at : at + chunk_bytes]).decode()
            await self.send(type="audio", playbackId="speech-1", sampleRate=rate_hz, pcmBase64=chunk)
        await self.send(type="finish_tts_playback", playbackId="speech-1")
        await self.come("tts_playback_state", "drained", within_s=30)

    async def come(self, kind: str, status: str, within_s: float) -> None:
        """Wait for an event."""
        async with asyncio.timeout(within_s):  # wait_for of Python 3.11 may swallow that the call has failed
            await self.seen[kind, status].wait()

    async def send(self, **command: Any) -> None:
        """Write a command, and wait while the pipe is full."""
        self.stdin.write(json.dumps(command).encode() + b"\n")
        with contextlib.suppress(ConnectionError):  # it ended: what it wrote last says why
            await self.stdin.drain()

    async def read(self) -> None:
        """Read frames until clankvox ends. A frame that makes no sense means that we lost step: never go on."""
        while kind := await self.stdout.read(1):
            try:
                length = int.from_bytes(await self.stdout.readexactly(4), "little")
                if kind > b"\1" or length >= 32 * 1024 * 1024:
                    raise RuntimeError(f"a frame of unknown format {kind[0]} or of {length} bytes")
                payload = await self.stdout.readexactly(length)
            except asyncio.IncompleteReadError:
                raise RuntimeError("clankvox ended within a frame") from None
            await (self._on_event(json.loads(payload)) if kind == b"\0" else self._on_audio(payload))
        if not self.leaving:
            raise RuntimeError("clankvox ended by itself")

    async def _on_audio(self, payload: bytes) -> None:
        id_end = AUDIO_HEADER.size + AUDIO_HEADER.unpack_from(payload)[-1]
        name = payload[AUDIO_HEADER.size : id_end].decode()
        if name not in self.files:
            self.files[name] = wave.open(str(self.options.out / f"{name}.wav"), "wb")  # noqa: SIM115
            self.files[name].setparams((1, 2, PCM_HZ, 0, "NONE", ""))
        self.files[name].writeframesraw(payload[id_end:])

    async def _on_event(self, event: Fields) -> None:
        print(json.dumps(event), flush=True)
        self.seen[event["type"], event.get("status", "")].set()
        match event:
            case {"type": "adapter_send", "payload": payload}:
                for command in gateway(payload["d"], self.options):
                    await self.send(**command)
            case {"type": "speaking_start", "userId": user} if "captureId" not in event:
                self.captures += 1  # his first word is kept for two seconds: the capture gets it
                name = f"{user}-{self.captures}"
                await self.send(type="subscribe_user", userId=user, captureId=name, sampleRate=PCM_HZ)
            case {"type": "user_audio_end", "captureId": name} if name in self.files:
                self.files.pop(name).close()
            case {"type": "buffer_depth", "ttsSamples": queued} if queued < QUEUED_SAMPLES:
                self.may_speak.set()
            case {"type": "error"} | {"status": "failed" | "stopped" | "disconnected" | "disabled"} if not self.leaving:
                raise RuntimeError(f"it ended with {json.dumps(event)}")  # what ends your call is your policy


def _read_pcm(path: Path) -> tuple[bytes, int]:
    if path.suffix != ".wav":
        return path.read_bytes(), PCM_HZ
    with wave.open(str(path)) as file:
        if (file.getnchannels(), file.getsampwidth()) != (1, 2):
            raise RuntimeError(
                "--play takes mono with 16 bits: ffmpeg -i any.mp3 -ac 1 -ar 24000 -c:a pcm_s16le out.wav"
            )
        return file.readframes(file.getnframes()), file.getframerate()


async def _run(options: argparse.Namespace) -> None:
    options.out.mkdir(parents=True, exist_ok=True)
    pipe = asyncio.subprocess.PIPE
    # in a session of its own: Ctrl-C is for us, we leave the call first
    vox = await asyncio.create_subprocess_exec(
        *options.clankvox.split(), stdin=pipe, stdout=pipe, start_new_session=True
    )
    if vox.stdin is None or vox.stdout is None:
        raise RuntimeError("clankvox has no pipes")
    call = Call(vox.stdin, vox.stdout, options)
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, call.hang_up.set)
    try:
        async with asyncio.TaskGroup() as group:  # the failure of one ends the other
            group.create_task(call.read())
            await call.hold()
        if code := await asyncio.wait_for(vox.wait(), 5):
            raise RuntimeError(f"clankvox ended with exit code {code}")
    finally:
        for file in call.files.values():  # what was cut short
            file.close()
        if vox.returncode is None:
            vox.kill()


flags = argparse.ArgumentParser(description="Join a call, capture every speaker to WAV files, play a file.")
flags.add_argument("--endpoint", required=True, help="of the voice server, such as ws://127.0.0.1:7000")
for name in ("token=example-token", "guild=1", "channel=2", "user=10", "clankvox=clankvox"):
    flags.add_argument(f"--{name.split('=')[0]}", default=name.split("=")[1], help="(%(default)s)")
flags.add_argument("--play", type=Path, metavar="FILE", help="WAV (16 bits, mono), or raw s16le mono at 24 kHz")
flags.add_argument("--out", type=Path, default="captured", metavar="DIR", help="where captures go (%(default)s)")
flags.add_argument("--seconds", type=float, default=30, help="how long to listen at least (%(default)s)")
try:
    asyncio.run(_run(flags.parse_args()))
except* (RuntimeError, OSError, EOFError, ValueError, struct.error, wave.Error) as failures:
    raise SystemExit(
        "\n".join(f"parent: {str(failure) or type(failure).__name__}" for failure in failures.exceptions)
    ) from None
