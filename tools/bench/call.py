"""What a parent does to be in a call and to say something, for all benches."""

import base64
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clankvox.clock import SystemClock
from clankvox.demo.parent import VoxParent

SERVER = "10"
OURSELVES = "999"
READY_S = 30.0


def join(vox: VoxParent, endpoint: str, user_id: str = OURSELVES, server_id: str = SERVER) -> None:
    """Join as a parent does, and wait until the call is encrypted."""
    vox.send({"type": "join", "connectionId": "bench", "guildId": server_id, "channelId": "20"})
    vox.wait_for("adapter_send")
    vox.send({"type": "voice_server", "data": {"endpoint": endpoint, "token": "bench", "guild_id": server_id}})
    vox.send({"type": "voice_state", "data": {"session_id": "bench", "user_id": user_id, "channel_id": "20"}})
    vox.wait_for("ready", timeout_s=READY_S)
    vox.wait_for("dave_state", status="ready", timeout_s=READY_S)


def chunk(playback_id: str, pcm: NDArray[np.int16] | bytes, rate_hz: int) -> dict[str, object]:
    """Return the command that hands over some PCM."""
    data = pcm if isinstance(pcm, bytes) else pcm.tobytes()
    text = base64.b64encode(data).decode()
    return {"type": "audio", "playbackId": playback_id, "pcmBase64": text, "sampleRate": rate_hz}


def say(
    vox: VoxParent, playback_id: str, pcm: NDArray[np.int16], rate_hz: int, *, chunk_ms: int = 100, ahead_s: float = 2.0
) -> float:
    """Write PCM in chunks and its end, as a synthesiser does, up to `ahead_s` before its time; blocks for the rest.

    Returns the instant of the first chunk on the monotonic clock.
    """
    clock = SystemClock()
    size = rate_hz * chunk_ms // 1000
    commands = [chunk(playback_id, pcm[start : start + size], rate_hz) for start in range(0, len(pcm), size)]
    started = clock.now()
    for number, command in enumerate(commands):
        clock.sleep(max(0.0, number * chunk_ms / 1000 - (clock.now() - started) - ahead_s))
        vox.send(command)
    vox.send({"type": "finish_tts_playback", "playbackId": playback_id})
    return started


def counters(vox: VoxParent) -> dict[str, Any]:
    """Return all that the process has counted so far, as in `transport_stats`."""
    since = vox.mark()
    vox.send({"type": "inspect"})
    return dict(vox.wait_for("inspect", since=since).body["counters"])
