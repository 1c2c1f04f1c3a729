"""The call itself, act by act, as the parent of a voice agent would hold it."""

import base64
import shutil
from dataclasses import dataclass, field
from typing import Any, Final

from clankvox.clock import SystemClock
from clankvox.demo.golive import GoLive, Shown
from clankvox.demo.journal import NotSeen
from clankvox.demo.offline import OfflineDiscord
from clankvox.demo.parent import VoxParent
from clankvox.demo.plan import (
    ANNOUNCEMENT_ID,
    CAPTURE_HZ,
    CHANNEL_ID,
    CONNECTION_ID,
    DUCKED,
    GUILD_ID,
    LISTENER_ID,
    MUSIC_ID,
    REPLY_ID,
    SPEECH_RATE_HZ,
    VOX_ID,
    Member,
    Plan,
)
from clankvox.demo.sound import Mono

_CHUNK_SAMPLES: Final = SPEECH_RATE_HZ // 5
_STEP_S: Final = 10.0
_SPOKEN_S: Final = 15.0
_SETTLE_S: Final = 1.0
_SOURCE_S: Final = 35.0
"""A page takes a while until it has told where its media are."""
_ALONE_S: Final = 1.5
"""So long music is heard before the announcement, and after it."""
_NEVER_MS: Final = 3_600_000
_POLL_S: Final = 0.05

Counters = dict[str, Any]


@dataclass
class Outcome:
    """What the parent and the offline Discord saw. Instants are seconds on this process's monotonic clock."""

    acts: list[str] = field(default_factory=list)
    """What has been done, in order; the call is whole when the last one is `ended`."""
    join_sent_s: float = 0.0
    ready_s: float = 0.0
    reply_sent_s: float = 0.0
    room: Counters = field(default_factory=dict)
    vox: Counters = field(default_factory=dict)
    members: dict[str, Counters] = field(default_factory=dict)
    music: Counters = field(default_factory=dict)
    """What the offline Discord counted of our packets up to the end of the music."""
    played_ms: int = 0
    """How much of the music crossed the wire, as the process said."""
    sounded_ms: float = 0.0
    """How long it was, from `playing` to `music_idle`, at the parent."""
    shown: Shown | None = None
    """The Go Live act, if there is one."""
    offset_ms: float = 0.0
    """To add to the offline Discord's instants."""
    exit_code: int | None = None


class Call:
    """Runs once, on one thread; others may read `outcome` meanwhile."""

    def __init__(self, plan: Plan, vox: VoxParent, discord: OfflineDiscord) -> None:
        self.outcome = Outcome()
        self._plan = plan
        self._vox = vox
        self._discord = discord
        self._clock = SystemClock()

    def run(self) -> None:
        """Hold the call from join to exit; NotSeen, ProcessGone or OrderRefused where it does not go on."""
        self._join()
        self._listen()
        self._reply()
        self._count()
        self._play()
        if self._plan.film is not None:
            self._go_live()
        self._leave()

    def _join(self) -> None:
        vox = self._vox
        self._act("join")
        self.outcome.join_sent_s = vox.send(
            {"type": "join", "connectionId": CONNECTION_ID, "guildId": GUILD_ID, "channelId": CHANNEL_ID}
        )
        asked = vox.wait_for("adapter_send", timeout_s=_STEP_S).body["payload"]["d"]
        # from here to the two answers the parent's own gateway connection would be at work
        state = {"session_id": "demo-session", "user_id": VOX_ID, "channel_id": asked["channel_id"]}
        vox.send({"type": "voice_state", "data": state})
        server = {"endpoint": self._discord.endpoint, "token": "demo-token", "guild_id": asked["guild_id"]}
        vox.send({"type": "voice_server", "data": server})
        self.outcome.ready_s = vox.wait_for("ready", timeout_s=_STEP_S, connectionId=CONNECTION_ID).at_s
        vox.wait_for("dave_state", timeout_s=_STEP_S, role="voice", status="ready")
        if self._plan.loss:
            self._discord.order({"type": "impair", "loss": self._plan.loss})

    def _listen(self) -> None:
        self._act("members speak")
        vox, since = self._vox, self._vox.mark()
        for member in self._plan.members:
            self._discord.order(self._add_order(member))
        for member in self._plan.members:  # they begin in this order
            vox.wait_for("speaking_start", timeout_s=_STEP_S, since=since, userId=member.user_id)
            vox.send(_subscription(member))
        for member in self._plan.members:
            vox.wait_for("user_audio_end", timeout_s=_SPOKEN_S, captureId=member.capture_id)
            vox.save_wav(self._plan.heard(member), member.user_id, CAPTURE_HZ, member.capture_id)

    def _reply(self) -> None:
        self._act("reply")
        self.outcome.reply_sent_s = self._clock.now()
        self._say(REPLY_ID, self._plan.reply)

    def _say(self, playback_id: str, pcm: Mono) -> None:
        vox = self._vox
        chunks = [pcm[at : at + _CHUNK_SAMPLES].tobytes() for at in range(0, len(pcm), _CHUNK_SAMPLES)]
        audio = {"type": "audio", "playbackId": playback_id, "sampleRate": SPEECH_RATE_HZ}
        for chunk in chunks:
            vox.send({**audio, "pcmBase64": base64.b64encode(chunk).decode()})
        vox.send({"type": "finish_tts_playback", "playbackId": playback_id})
        for status in ("buffered", "started", "drained"):
            vox.wait_for("tts_playback_state", timeout_s=_SPOKEN_S, playbackId=playback_id, status=status)

    def _count(self) -> None:
        """Take the counters while all are there, then let the members go, which completes their recordings."""
        self._act("count")
        self._settle()
        for member in self._plan.members:
            self._discord.order({"type": "remove_speaker", "userId": member.user_id})
            recording = self._plan.recordings(member) / f"{VOX_ID}.wav"
            if recording.exists():
                shutil.copyfile(recording, self._plan.recorded(member))

    def _settle(self) -> None:
        """Read the counters until no packet is on its way any more."""
        deadline, last = self._clock.now() + _SETTLE_S, -1
        while self._clock.now() < deadline:
            self._read_counters()
            members = self.outcome.members.values()
            heard = sum(int(count) for member in members for count in member["decrypted"].values())
            if heard == last:
                return
            last = heard
            self._clock.sleep(_POLL_S)

    def _read_counters(self) -> None:
        stats = self._discord.stats()
        present = {client["userId"]: client for client in stats["clients"]}
        if VOX_ID not in present:
            raise NotSeen("the process is not in the room any more")
        self.outcome.room = stats["rooms"][0]
        self.outcome.vox = present[VOX_ID]
        self.outcome.members = {member.name: present[member.user_id] for member in self._plan.members}
        self.outcome.offset_ms = stats["offsetMs"]

    def _play(self) -> None:
        """Play music for a member who comes for it, and say something above it."""
        self._act("music")
        vox, folder = self._vox, self._plan.listener_recordings
        listener = {"userId": LISTENER_ID, "serverId": GUILD_ID}
        silent = {"tone": 440, "startMs": _NEVER_MS}
        hearing = {"receive": True, "record": str(folder.absolute())}
        self._discord.order({"type": "add_speaker", **listener, **silent, **hearing})
        vox.send({"type": "duck", "target": DUCKED, "attackMs": 150, "releaseMs": 300})
        tune = self._plan.tune
        vox.send({"type": "music_play", "musicId": MUSIC_ID, "url": tune.url, "resolvedDirectUrl": tune.direct})
        begins = {"player_state": {"musicId": MUSIC_ID, "status": "playing"}, "music_error": {"musicId": MUSIC_ID}}
        playing = vox.wait_for_either(begins, timeout_s=_SOURCE_S)
        if playing.type == "music_error":
            raise NotSeen(f"{playing.body['code']}: {playing.body['message']}")
        vox.wait_for("music_gain_reached", timeout_s=_STEP_S, musicId=MUSIC_ID)
        self._clock.sleep(_ALONE_S)
        self._say(ANNOUNCEMENT_ID, self._plan.reply)
        self._clock.sleep(_ALONE_S)
        vox.send({"type": "music_stop", "musicId": MUSIC_ID})
        idle = vox.wait_for("music_idle", timeout_s=_STEP_S, musicId=MUSIC_ID)
        self.outcome.played_ms, self.outcome.sounded_ms = idle.body["playedMs"], (idle.at_s - playing.at_s) * 1000
        present = {client["userId"]: client for client in self._discord.stats()["clients"]}
        self.outcome.music = present.get(VOX_ID, {})
        self._discord.order({"type": "remove_speaker", "userId": LISTENER_ID})
        recording = folder / f"{VOX_ID}.wav"
        if recording.exists():
            shutil.copyfile(recording, self._plan.heard_music)

    def _go_live(self) -> None:
        self._act("golive")
        self.outcome.shown = Shown()
        GoLive(self._plan, self._vox, self._discord, self.outcome.shown).run()

    def _leave(self) -> None:
        self._act("leave")
        vox, since = self._vox, self._vox.mark()
        vox.send({"type": "leave"})
        asked = vox.wait_for("adapter_send", timeout_s=_STEP_S, since=since).body["payload"]["d"]
        if asked["channel_id"] is not None:
            raise NotSeen("leave has to ask for no channel")
        vox.wait_for("transport_state", timeout_s=_STEP_S, since=since, role="voice", status="disconnected")
        vox.send({"type": "destroy"})
        self.outcome.exit_code = vox.wait_exit()
        self._act("ended")

    def _act(self, name: str) -> None:
        self.outcome.acts.append(name)

    def _add_order(self, member: Member) -> Counters:
        return {
            "type": "add_speaker",
            "userId": member.user_id,
            "serverId": GUILD_ID,
            "file": str(self._plan.said(member.name).absolute()),
            "startMs": member.start_ms,
            "receive": True,
            "record": str(self._plan.recordings(member).absolute()),
        }


def _subscription(member: Member) -> Counters:
    return {
        "type": "subscribe_user",
        "userId": member.user_id,
        "captureId": member.capture_id,
        "sampleRate": CAPTURE_HZ,
        "silenceDurationMs": 500,
    }
