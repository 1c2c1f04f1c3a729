"""The parent of a voice agent: answers for the main gateway, speaks, plays music, watches and publishes, all the time.

It reacts to events on a thread of its own; whatever ends is begun again.
"""

import base64
import itertools
import queue
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from clankvox.clock import SystemClock
from clankvox.demo import sound
from clankvox.demo.offline import OfflineDiscord
from clankvox.demo.parent import Event, VoxParent
from tools.soak.media_host import FILM, TUNE, MediaHost
from tools.soak.people import CHANNEL, CONNECTION, GUILD, OURSELVES, SPEECH, STREAMER

SPEECH_HZ: Final = 24_000
_CHUNK_SAMPLES: Final = SPEECH_HZ // 5
_PAUSE_S: Final = 1.0
_AGAIN_S: Final = 0.5
_CREDENTIALS: Final = ("endpoint", "token", "serverId", "sessionId", "userId", "daveChannelId", "rtcChannelId")
_STREAM_ROLES: Final = ("stream_watch", "stream_publish")
_ENDS_OF_SPEECH: Final = frozenset({"drained", "stopped", "failed"})


class Agent:
    """`take` is for the journal; `end` before the call ends. Counters are for reading from any thread."""

    def __init__(self, vox: VoxParent, discord: OfflineDiscord, media: MediaHost) -> None:
        self.told: Counter[str] = Counter()
        """Events that matter, by type and status."""
        self.said_ms = 0
        """Of speech, as the process says."""
        self.wanted_ms = 0
        """Of the speech that has ended by itself, as it was given."""
        self.wrong: list[dict[str, Any]] = []
        """What no event should say in a call that goes on."""
        self.call_is_over = threading.Event()
        """The process gave the call up."""
        self.servers: dict[str, str] = {}
        """Stream servers by role."""
        self._vox, self._discord, self._media = vox, discord, media
        self._clock = SystemClock()
        self._numbers = itertools.count(1)
        self._speaks = ""
        """Id of the speech that is said; each chunk of one that failed is answered with another failure."""
        self._speech = sound.load(SPEECH / "demo-thanks.g722", SPEECH_HZ)
        self._events: queue.Queue[Event | None] = queue.Queue()
        self._later: list[tuple[float, Callable[[], None]]] = []
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="soak-agent", daemon=True)

    def start(self) -> None:
        """React from now on."""
        self._thread.start()

    def end(self) -> None:
        """Begin nothing any more."""
        self._ending.set()
        self._events.put(None)
        self._thread.join()

    def take(self, event: Event) -> None:
        """Note an event. For the thread that reads the pipe."""
        self._events.put(event)

    # --- what the parent does by itself ---

    def join(self) -> None:
        """Ask to be in the call."""
        where = {"guildId": GUILD, "channelId": CHANNEL}
        self._vox.send({"type": "join", "connectionId": CONNECTION, **where})

    def give_server(self) -> None:
        """Say where the voice server is, as the main gateway does; each time with another token."""
        data = {"endpoint": self._discord.endpoint, "token": f"token-{next(self._numbers)}", "guild_id": GUILD}
        self._vox.send({"type": "voice_server", "data": data})

    def give_state(self) -> None:
        """Say which session we have."""
        data = {"session_id": f"session-{next(self._numbers)}", "user_id": OURSELVES, "channel_id": CHANNEL}
        self._vox.send({"type": "voice_state", "data": data})

    def begin(self) -> None:
        """Speak, play, publish and want pictures."""
        self.talk()
        self._vox.send({"type": "subscribe_user_video", "userId": STREAMER, "maxFramesPerSecond": 2})
        self._publish()

    def talk(self) -> None:
        """Speak above music."""
        self._vox.send({"type": "duck", "target": 0.3, "attackMs": 100, "releaseMs": 300})
        self._play()
        self._speak()

    def connect(self, role: str) -> None:
        """Take part in a stream; its server is made with the first credentials."""
        where = {"serverId": self.servers[role]} if role in self.servers else {}
        session = f"stream-session-{next(self._numbers)}"
        answer = self._discord.order({"type": "add_stream", "userId": OURSELVES, "sessionId": session, **where})
        self.servers[role] = answer["serverId"]
        self._vox.send({"type": f"{role}_connect", **{name: answer[name] for name in _CREDENTIALS}})

    def _play(self) -> None:
        music_id = f"music-{next(self._numbers)}"
        url = self._media.url(TUNE)
        self._vox.send({"type": "music_play", "musicId": music_id, "url": url, "resolvedDirectUrl": True})

    def _speak(self) -> None:
        playback_id = self._speaks = f"speech-{next(self._numbers)}"
        for start in range(0, len(self._speech), _CHUNK_SAMPLES):
            text = base64.b64encode(self._speech[start : start + _CHUNK_SAMPLES].tobytes()).decode()
            audio = {"type": "audio", "playbackId": playback_id, "sampleRate": SPEECH_HZ}
            self._vox.send({**audio, "pcmBase64": text})
        self._vox.send({"type": "finish_tts_playback", "playbackId": playback_id})

    def _publish(self) -> None:
        url = self._media.url(FILM)
        self._vox.send({"type": "stream_publish_play", "url": url, "resolvedDirectUrl": True, "withAudio": True})

    # --- what it does about events ---

    def _run(self) -> None:
        while not self._ending.is_set():
            try:
                event = self._events.get(timeout=0.1)
            except queue.Empty:
                event = None
            if event is not None:
                self._react(event)
            now = self._clock.now()
            due = [action for at_s, action in self._later if at_s <= now]
            self._later = [each for each in self._later if each[0] > now]
            for action in due:
                action()

    def _after(self, delay_s: float, action: Callable[[], None]) -> None:
        self._later.append((self._clock.now() + delay_s, action))

    def _react(self, event: Event) -> None:
        body = event.body
        match event.type:
            case "adapter_send":
                if body["payload"]["d"]["channel_id"] is not None:
                    self.give_state()
                    self.give_server()
            case "tts_playback_state" if body["status"] in _ENDS_OF_SPEECH and body["playbackId"] == self._speaks:
                self._speaks = ""
                self._spoken(body)
            case "music_idle" | "music_error":
                self._note(body, wrong=event.type == "music_error")
                self._after(_AGAIN_S, self._play)
            case "transport_state":
                self._transport(body)
            case "error" | "connection_state":
                over = event.type == "connection_state" and body["status"] == "disconnected"
                self._note(body, wrong=over or event.type == "error")
                if over:
                    self.call_is_over.set()

    def _spoken(self, body: dict[str, Any]) -> None:
        drained = body["status"] == "drained"
        self._note(body, wrong=not drained)
        self.said_ms += body.get("playedMs", 0)
        self.wanted_ms += len(self._speech) * 1000 // SPEECH_HZ
        self._after(_PAUSE_S, self._speak)

    def _transport(self, body: dict[str, Any]) -> None:
        role, status = body["role"], body["status"]
        gone = status in ("disconnected", "failed")
        self._note(body, wrong=gone and role == "voice")
        if role in _STREAM_ROLES and status == "disconnected":
            self._after(_AGAIN_S, lambda: self.connect(role))
        elif body.get("reason") == "stream_publish_idle" or (status == "failed" and role == "stream_publish"):
            self._after(_AGAIN_S, self._publish)

    def _note(self, body: dict[str, Any], *, wrong: bool) -> None:
        kind = " ".join(str(body[key]) for key in ("type", "role", "status", "code", "reason") if key in body)
        self.told[kind] += 1
        if wrong:
            self.wrong.append(body)
