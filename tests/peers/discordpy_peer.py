"""An unmodified discord.py in a process of its own, driven through `VoiceClient`. It speaks; it cannot receive.

Orders come as JSON lines on stdin: join, play, stop, leave. What happens goes as JSON lines to stdout. Guild, channel
and the main gateway are a bot's side of it: a voice state update that asks for a channel is answered with what `join`
brought. The end of stdin ends it.
"""

import asyncio
import json
import logging
import sys
import threading
from types import SimpleNamespace

import aiohttp
import discord
import numpy as np

from clankvox.media.libopus import bundled_libopus

RATE_HZ = 48_000
FRAME_SAMPLES = 960
AMPLITUDE = 12_000
JOIN_S = 20.0
LOOP_TURNS = 10
"""An answer over the network would come later too: the voice client listens only some turns after it asked."""


def say(kind, **fields):
    sys.stdout.write(json.dumps({"type": kind, **fields}) + "\n")
    sys.stdout.flush()


class Tone(discord.AudioSource):
    """A tone: s16le stereo in frames of 20 ms."""

    def __init__(self, hz, frames):
        mono = np.rint(AMPLITUDE * np.sin(np.arange(RATE_HZ) * 2 * np.pi * hz / RATE_HZ)).astype("<i2")
        frame_bytes = FRAME_SAMPLES * 4
        second = np.repeat(mono, 2).tobytes()
        # a whole number of waves a second comes again every second, and costs nothing while it is said
        self._frames = [second[start : start + frame_bytes] for start in range(0, len(second), frame_bytes)]
        self._position = 0
        self._end = frames

    def read(self):
        if self._position == self._end:
            return b""
        self._position += 1
        return self._frames[(self._position - 1) % len(self._frames)]


class Guild:
    """What a voice client needs of its guild: the way to the main gateway."""

    def __init__(self, order):
        self.id = int(order["guildId"])
        self.me = SimpleNamespace(voice=None)
        self.voice = None
        self._order = order

    async def change_voice_state(self, *, channel, self_mute=False, self_deaf=False):
        order = self._order
        state = {"channel_id": None, "session_id": order["sessionId"], "user_id": order["userId"]}
        if channel is None:
            asyncio.get_running_loop().create_task(self.voice.on_voice_state_update(state))
            return
        server = {"token": order["token"], "guild_id": order["guildId"], "endpoint": order["endpoint"]}

        async def answer():
            for _ in range(LOOP_TURNS):
                await asyncio.sleep(0)
            await self.voice.on_voice_state_update({**state, "channel_id": order["channelId"]})
            await self.voice.on_voice_server_update(server)

        self._answering = asyncio.get_running_loop().create_task(answer())


class Channel:
    """What a voice client needs of its channel."""

    def __init__(self, guild, channel_id):
        self.id = channel_id
        self.guild = guild

    def _get_voice_client_key(self):
        return self.guild.id, "guild_id"


class Http:
    """The WebSocket half of a bot's HTTP client; certificates are checked against SSL_CERT_FILE."""

    def __init__(self):
        self._session = aiohttp.ClientSession(ws_response_class=discord.gateway.DiscordClientWebSocketResponse)

    async def ws_connect(self, url, *, compress=0):
        return await self._session.ws_connect(url, max_msg_size=0, autoclose=False, compress=compress)

    async def close(self):
        await self._session.close()


class Peer:
    def __init__(self):
        self._http = Http()
        self._voice = None

    async def join(self, order):
        guild = Guild(order)
        channel = Channel(guild, int(order["channelId"]))
        state = SimpleNamespace(
            loop=asyncio.get_running_loop(),
            http=self._http,
            user=SimpleNamespace(id=int(order["userId"])),
            _remove_voice_client=lambda _: None,
        )
        bot = SimpleNamespace(_connection=state, loop=state.loop)
        self._voice = guild.voice = discord.VoiceClient(bot, channel)
        await self._voice.connect(reconnect=True, timeout=JOIN_S)
        say("state", status="ready")

    async def play(self, order):
        self._voice.play(
            Tone(order["hz"], order["frames"]), after=lambda error: say("played", error=error and str(error))
        )

    async def stop(self, _order):
        self._voice.stop()

    async def leave(self, _order):
        await self._voice.disconnect(force=True)
        say("state", status="destroyed")

    async def close(self):
        await self._http.close()


class Told(logging.Handler):
    """Errors of the library become lines."""

    def emit(self, record):
        say("error", message=self.format(record))


async def main():
    if not discord.opus.is_loaded() and (bundled := bundled_libopus()) is not None:
        discord.opus.load_opus(bundled)
    logging.getLogger("discord").addHandler(Told(logging.ERROR))
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: say("error", message=repr(context)))
    orders = asyncio.Queue()

    def read():
        for line in sys.stdin:
            loop.call_soon_threadsafe(orders.put_nowait, json.loads(line))
        loop.call_soon_threadsafe(orders.put_nowait, None)

    threading.Thread(target=read, daemon=True).start()
    peer = Peer()
    say("up", library=discord.__version__)
    try:
        while (order := await orders.get()) is not None:
            await getattr(peer, order.pop("type"))(order)
    finally:
        await peer.close()


if __name__ == "__main__":
    asyncio.run(main())
