"""Promises of the contract, watched over the events of one process: each breach is a PromiseBroken."""

import json
import struct
from collections import Counter
from collections.abc import Callable
from typing import Any

from clankvox.actors.wish import INTERNAL_ERROR
from clankvox.ids import Role
from clankvox.messages.common import Inspect
from clankvox.outbox import Outbox
from tests.support.promises import NotAsTold, NotHeard, NotOneEnd, OutOfOrder, StaleNews

HEADER = 5
"""Bytes of a frame's format and length."""
OWN_CHANNELS = 1_000
"""Join number n asks for channel 1000 + n and is named c<n>, so that events tell whose they are."""
ENDS = ("drained", "stopped", "failed")
UNREMEMBERED = ("stale_playback_id",)
"""Why a finish or a stop is refused: their playbacks may still be spoken."""
LEFT = ("none", "disconnected")
"""Words for a connection that has nothing to end."""

DAVE_TOLD = {
    "inactive": ("cleared",),
    "disabled": ("disabled",),
    "negotiating": ("negotiating",),
    "alone": ("ready",),
    "rekeying": ("ready",),
    "established": ("ready",),
    "switching": ("ready",),
}
MUSIC_TOLD = {
    "idle": ("none", "idle"),
    "loading": ("loading", "before"),
    "waiting": ("loading", "before"),
    "playing": ("playing",),
    "finishing": ("playing",),
    "stopping": ("playing",),
    "stopping_finishing": ("playing",),
    "paused": ("paused",),
    "paused_loading": ("paused",),
    "paused_unheard": ("paused",),
    "paused_finishing": ("paused",),
    "paused_broken": ("paused",),
    "reopening": ("playing",),
}
"""`before`: a piece without an id that loads says nothing, so the last word is about the one before."""
WATCH_TOLD = {
    "idle": ("none", "disconnected", "failed"),
    "connecting": ("connecting",),
    "ready": ("ready",),
    "dave_transition": ("ready",),
    "reconnecting": ("ready", "connecting"),
    "closed": ("disconnected", "failed", "none"),
}
PUBLISH_TOLD = {
    "idle": ("none", "ended", "let go"),
    "waiting": ("waiting_for_transport", "playing", "let go"),
    "playing": ("playing",),
    "paused": ("paused",),
    "paused_waiting": ("paused", "let go"),
}
"""`let go`: a disconnect ends the source of a connection, and not one that waits for another."""
SOURCE_ENDS = ("stream_publish_stopped", "stream_publish_idle", "gone")
"""Reasons that are about what is published, and not about its connection."""


class EventWatcher:
    """Feed it every frame in the order in which the parent reads them."""

    def __init__(self) -> None:
        self.playbacks: Counter[str] = Counter()
        self.open_playback: str | None = None
        self.anonymous_open = False
        self.speaking: set[str] = set()
        self.pcm: dict[tuple[int, str], int] = {}
        self.ended_captures: set[str] = set()
        self.connection = "none"
        self.join: int | None = None
        self.joins_asked = 0
        self.joins_in_vain: set[int] = set()
        self.joins_answered = 0
        """Number of the last join that has come to its op 4, or to its end before it."""
        self.dave = dict.fromkeys(Role, "cleared")
        self.transport = dict.fromkeys(Role, "none")
        self.source = "none"
        self.music = "none"
        self.failed_playbacks: set[str] = set()
        self.music_ends: Counter[str] = Counter()
        self.open_music: set[str] = set()
        self.errors: list[str] = []

    def see(self, frames: list[tuple[int, bytes]]) -> None:
        for frame_format, payload in frames:
            if frame_format == 0:
                self.told(json.loads(payload))
            else:
                self.heard(payload)

    @staticmethod
    def decoded(frames: list[tuple[int, bytes]]) -> list[dict[str, Any]]:
        """The events among `frames`."""
        return [json.loads(payload) for frame_format, payload in frames if frame_format == 0]

    def told(self, event: dict[str, Any]) -> None:
        connection_id = event.get("connectionId")
        if connection_id is not None and self.join is not None:
            ends = event["type"] == "error" or event.get("status") == "disconnected"
            never_began = ends and int(connection_id[1:]) > self.join
            if never_began:
                self.joins_in_vain.add(int(connection_id[1:]))
            told = connection_id == f"c{self.join}" or never_began
            StaleNews.unless(told, f"{event} of a join that was replaced")
        watch = getattr(self, "_on_" + event["type"], None)
        if watch is not None:
            watch(event)

    def heard(self, payload: bytes) -> None:
        (samples,) = struct.unpack_from("<I", payload, 14)
        user, size = str(int.from_bytes(payload[:8], "little")), len(payload) - 18 - 2 * samples
        capture = payload[20 : 18 + size].decode() if size else ""
        StaleNews.unless(capture not in self.ended_captures, f"PCM behind the end of {capture}")
        self.pcm[user, capture] = self.pcm.get((user, capture), 0) + 1

    # --- playbacks: one terminal event each, and a beginning before it ---

    def _on_tts_playback_state(self, event: dict[str, Any]) -> None:
        playback, status = event.get("playbackId"), event["status"]
        if playback is None:
            NotOneEnd.unless(status in ("buffered", "idle"), "status of an anonymous playback")
            NotOneEnd.unless(self.anonymous_open == (status == "idle"), "buffered and idle do not alternate")
            self.anonymous_open = status == "buffered"
        elif status == "buffered":
            NotOneEnd.unless(self.open_playback is None, "two playbacks at once")
            NotOneEnd.unless(playback not in self.failed_playbacks, f"{playback} has failed and begins again")
            self.open_playback = playback
        elif status == "started":
            NotOneEnd.unless(playback == self.open_playback, f"{playback} is heard and was not begun")
        elif playback == self.open_playback:
            NotOneEnd.unless(status in ENDS, f"{playback} is {status}")
            self.open_playback = None
            self._note_failure(event)
        else:
            NotOneEnd.unless(status == "failed", f"the end of {playback}, which is not open")
            self._note_failure(event)
            refused = event["reason"] in ("stale_playback_id", "playback_already_failed")
            NotOneEnd.unless(refused or self.open_playback is None, f"{event} beside another playback")

    def _note_failure(self, event: dict[str, Any]) -> None:
        if event["status"] == "failed" and event["reason"] not in UNREMEMBERED:
            self.failed_playbacks.add(event["playbackId"])

    # --- music: every piece with an id ends once ---

    def _on_player_state(self, event: dict[str, Any]) -> None:
        self.music = event["status"]
        if "musicId" in event and self.music != "idle":
            self.open_music.add(event["musicId"])

    def _on_music_idle(self, event: dict[str, Any]) -> None:
        if "musicId" in event:
            self.open_music.discard(event["musicId"])
            self.music_ends[event["musicId"]] += 1
            NotOneEnd.unless(self.music_ends[event["musicId"]] == 1, f"{event['musicId']} ended twice")

    _on_music_error = _on_music_idle

    # --- captures and speaking ---

    def _on_speaking_start(self, event: dict[str, Any]) -> None:
        NotOneEnd.unless(event["userId"] not in self.speaking, "speaking began twice")
        self.speaking.add(event["userId"])

    def _on_speaking_end(self, event: dict[str, Any]) -> None:
        NotOneEnd.unless(event["userId"] in self.speaking, "speaking ended twice")
        self.speaking.discard(event["userId"])

    def _on_user_audio_end(self, event: dict[str, Any]) -> None:
        if "role" in event:
            return
        capture = event.get("captureId", "")
        NotOneEnd.unless(self.pcm.pop((event["userId"], capture), 0), f"an end of nothing in {capture or 'all'}")
        if capture:
            self.ended_captures.add(capture)

    # --- connections and encryption ---

    def _on_connection_state(self, event: dict[str, Any]) -> None:
        status = event["status"]
        if (self.connection, status) == ("disconnected", "disconnected"):
            NotOneEnd.unless(self.joins_answered < self.joins_asked, "the call ended twice")
            self.joins_answered += 1
        elif status != "ready":
            StaleNews.unless(self.connection != "disconnected", f"{status} of a connection that is over")
        self.connection = status

    def _on_transport_state(self, event: dict[str, Any]) -> None:
        status, reason = event["status"], event.get("reason", "")
        if event["role"] != Role.STREAM_PUBLISH:
            self.transport[event["role"]] = status
        elif status in ("waiting_for_transport", "playing", "paused"):
            self.source = status if "not_started" not in reason else self.source
        elif (reason in SOURCE_ENDS or (status, reason) == ("failed", INTERNAL_ERROR)) and self.source != "none":
            self.source = "ended"
        elif reason in ("stream_publish_disconnect", INTERNAL_ERROR) and self.source not in ("none", "ended"):
            self.source = "let go"

    def _on_adapter_send(self, event: dict[str, Any]) -> None:
        channel = event["payload"]["d"]["channel_id"]
        if channel is None:
            return
        number = int(channel) - OWN_CHANNELS
        if number >= 0 and number != self.join and self.connection not in LEFT:
            self._nothing_is_open()
        self.connection = "asked"
        StaleNews.unless(number not in self.joins_in_vain, f"c{number} begins, and was told to have failed")
        if number >= 0:  # the op 4 of a join: from here on its name is the only one
            self.join = number
            self.joins_answered = max(self.joins_answered, number)

    def _nothing_is_open(self) -> None:
        """What belonged to a call that is replaced has ended when the gateway is asked for the next one.

        The end of a capture goes behind its PCM, in a lane that control messages overtake: see QueueWatcher.
        """
        speech = self.open_playback or self.anonymous_open
        OutOfOrder.unless(not speech, "the next call is asked for before the speech of this one has ended")
        OutOfOrder.unless(not self.speaking, "the next call is asked for while somebody speaks in this one")
        OutOfOrder.unless(self.dave[Role.VOICE] == "cleared", "the next call is asked for before this group is gone")
        OutOfOrder.unless(self.music in ("none", "idle"), "the next call is asked for while music plays in this one")

    def _on_dave_state(self, event: dict[str, Any]) -> None:
        role, status = event["role"], event["status"]
        NotAsTold.unless(status == "cleared" or status != self.dave[role], f"dave {status} told twice")
        self.dave[role] = status

    def _on_error(self, event: dict[str, Any]) -> None:
        self.errors.append(event["message"])

    def at_the_end(self) -> None:
        """When the process ends, everything that began has ended."""
        NotOneEnd.unless(self.open_playback is None and not self.anonymous_open, "a playback without an end")
        NotOneEnd.unless(not self.open_music, f"{self.open_music} without an end")
        NotOneEnd.unless(not self.pcm, f"{list(self.pcm)} without an end")

    def at_rest(self, call: Any) -> None:
        """With no message on its way, what the parent was told is what the machines say."""
        states = call.states()
        self._calls_at_rest(states)
        for role in Role:
            dave = states.get("dave" if role is Role.VOICE else f"{role} dave")
            told = dave is None or self.dave[role] in DAVE_TOLD[dave]
            NotAsTold.unless(told, f"{role} dave is {dave} and was told as {self.dave[role]}")
        for user in self.speaking:
            speaks = call.capture(int(user)).handle(Inspect())["speaking"] == "speaking"
            NotAsTold.unless(speaks, f"{user} was told to speak and is silent")
        for (user, capture), packets in self.pcm.items():
            ends = packets and states.get(user) == "capturing"
            NotHeard.unless(ends, f"PCM of {capture or 'a persistent capture'} without an end")

    def _calls_at_rest(self, states: dict[str, str]) -> None:
        ready = states["connection"] in ("ready", "dave_transition")
        NotAsTold.unless((self.connection == "ready") == ready, f"{states['connection']}, told as {self.connection}")
        speaks = self.open_playback is not None or self.anonymous_open
        NotAsTold.unless((states["playback"] != "idle") == speaks, f"playback is {states['playback']}")
        music = states["music"]
        known = self.music in MUSIC_TOLD[music] or "before" in MUSIC_TOLD[music]
        NotAsTold.unless(known, f"music is {music} and was told as {self.music}")
        watch = states.get("stream_watch connection")
        told = watch is None or self.transport[Role.STREAM_WATCH] in WATCH_TOLD[watch]
        NotAsTold.unless(told, f"stream_watch is {watch} and was told as {self.transport[Role.STREAM_WATCH]}")
        source = states.get("stream_publish publish")
        told = source is None or self.source in PUBLISH_TOLD[source]
        NotAsTold.unless(told, f"publish is {source} and was told as {self.source}")


class QueueWatcher(EventWatcher):
    """Feed it every frame in the order in which it was queued: that of the actors, before the lanes have theirs."""

    def __init__(self, outbox: Outbox) -> None:
        super().__init__()
        self._queued: list[tuple[int, bytes]] = []
        for put, place in (("put_control", 0), ("put_marker", 0), ("put_audio", 1)):
            setattr(outbox, put, self._noting(getattr(outbox, put), place))

    def _noting(self, put: Callable[..., bool], place: int) -> Callable[..., bool]:
        def noting(*args: Any, **named: Any) -> bool:
            frame = bytes(args[place])
            self._queued.append((frame[0], frame[HEADER:]))
            return put(*args, **named)

        return noting

    def look(self) -> None:
        """See what was queued since the last look; no actor may be the one that finds out what is broken."""
        queued, self._queued = self._queued, []
        self.see(queued)

    def _on_user_audio_end(self, event: dict[str, Any]) -> None:
        """Whether it is the end of something is judged as the parent reads it."""
        self.pcm.pop((event["userId"], event.get("captureId", "")), None)

    def _nothing_is_open(self) -> None:
        super()._nothing_is_open()
        OutOfOrder.unless(not self.pcm, "the next call is asked for before the end of a capture in this one is queued")
