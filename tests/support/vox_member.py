"""The real process as a member of the offline Discord, and the parent that any generation of clients would be."""

import base64
import itertools

import numpy as np

from clankvox.demo.parent import Event, VoxParent
from tests.support.pitch import WINDOW_S, Ear, pitch
from tests.support.spoken import tone

WAIT_S = 30.0
TTS_HZ = 24_000
CAPTURE_HZ = 24_000
CHUNK = TTS_HZ // 5
SAID_S = 1.6
"""Three windows of an ear, for the first one holds the onset, and a little more."""


class VoxMember(VoxParent):
    """A context. With `ids` its parent is of the generation that names connections, playbacks and captures."""

    def __init__(self, discord, user, server=5, channel=6, ids=True):
        super().__init__(env={} if discord.ca_file is None else {"SSL_CERT_FILE": str(discord.ca_file)})
        self.discord, self.user, self.server, self.channel = discord, str(user), str(server), str(channel)
        self.ids = ids
        self.token = "any"
        self.connection = None
        self._numbers = itertools.count(1)

    def named(self, field, value):
        """The id that this generation gives, or none."""
        return {field: value} if self.ids else {}

    def ask_to_join(self):
        """Send `join`, check what it asks the main gateway for, and return the position before it."""
        since = self.mark()
        self.connection = f"connection-{next(self._numbers)}"
        self.send(
            {
                "type": "join",
                "guildId": self.server,
                "channelId": self.channel,
                **self.named("connectionId", self.connection),
            }
        )
        asked = self.wait_for("adapter_send", since=since, timeout_s=WAIT_S).body["payload"]
        wanted = {"guild_id": self.server, "channel_id": self.channel, "self_mute": False, "self_deaf": False}
        assert asked == {"op": 4, "d": wanted}
        return since

    def give_credentials(self):
        """Both gateway updates, as the main gateway sends them."""
        session = f"session-{self.user}-{next(self._numbers)}"
        state = {"session_id": session, "user_id": self.user, "channel_id": self.channel, "guild_id": self.server}
        self.send({"type": "voice_state", "data": state})
        server = {"endpoint": self.discord.endpoint, "token": self.token, "guild_id": self.server}
        self.send({"type": "voice_server", "data": server})

    def join(self):
        """Join as far as `ready` of connection and DAVE."""
        since = self.ask_to_join()
        self.give_credentials()
        about = self.named("connectionId", self.connection)
        self.wait_for("ready", since=since, timeout_s=WAIT_S, **about)
        self.wait_for("dave_state", since=since, timeout_s=WAIT_S, role="voice", status="ready", **about)
        return self

    def leave(self):
        since, happened = self.mark(), len(self.discord.happenings)
        self.send({"type": "leave"})
        asked = self.wait_for("adapter_send", since=since, timeout_s=WAIT_S).body["payload"]["d"]
        assert asked["channel_id"] is None
        self.wait_for("transport_state", since=since, timeout_s=WAIT_S, role="voice", status="disconnected")
        self.discord.wait_for(lambda it: (it["type"], it.get("userId")) == ("left", self.user), WAIT_S, happened)

    def capture(self, user, capture_id=None, silence_ms=700):
        """Subscribe; without an id the capture lasts."""
        about = {} if capture_id is None else {"captureId": capture_id}
        self.send(
            {
                "type": "subscribe_user",
                "userId": str(user),
                "sampleRate": CAPTURE_HZ,
                "silenceDurationMs": silence_ms,
                **about,
            }
        )

    def say(self, hz, seconds=SAID_S):
        """Speak a tone; returns the playback's id, None of a generation without."""
        playback = f"playback-{next(self._numbers)}"
        about = self.named("playbackId", playback)
        pcm = tone(seconds, hz, rate_hz=TTS_HZ)
        for start in range(0, len(pcm), CHUNK):
            chunk = base64.b64encode(pcm[start : start + CHUNK].tobytes()).decode()
            self.send({"type": "audio", "sampleRate": TTS_HZ, "pcmBase64": chunk, **about})
        if self.ids:
            self.send({"type": "finish_tts_playback", **about})
        return playback if self.ids else None

    def wait_said(self, playback, since):
        """Wait until all of it has left."""
        if playback is None:
            self.wait_for("tts_playback_state", since=since, timeout_s=WAIT_S, status="idle")
        else:
            status = {"playbackId": playback, "status": "drained"}
            self.wait_for("tts_playback_state", since=since, timeout_s=WAIT_S, **status)

    def wait_hears(self, user, hz, since):
        """Wait until entry `since` is followed by a second of nothing but this tone from `user`."""
        ear, window = Ear(hz), bytearray()

        def heard(entry):
            if not isinstance(entry, Event) and entry.user_id == int(user):
                window.extend(entry.pcm)
                if len(window) >= 2 * CAPTURE_HZ * WINDOW_S:
                    ear.take(*pitch(np.frombuffer(window, np.int16), CAPTURE_HZ))
                    window.clear()
            return ear.satisfied

        self._journal.wait_for(heard, f"clankvox hears {user} at {hz} Hz", WAIT_S, since)
