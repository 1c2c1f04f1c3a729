"""Promises of the contract, watched over the events of one process: each breach is an AssertionError."""

import json
from collections import Counter
from typing import Any

from clankvox.messages.common import Inspect

OWN_CHANNELS = 1_000
"""Join number n asks for channel 1000 + n and is named c<n>, so that events tell whose they are."""
ENDS = ("drained", "stopped", "failed")
UNREMEMBERED = ("stale_playback_id",)
"""Why a finish or a stop is refused: their playbacks may still be spoken."""


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
        self.dave = "cleared"
        self.failed_playbacks: set[str] = set()
        self.music_ends: Counter[str] = Counter()

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
            assert connection_id == f"c{self.join}", "news of a join that was replaced"
        watch = getattr(self, "_on_" + event["type"], None)
        if watch is not None:
            watch(event)

    def heard(self, payload: bytes) -> None:
        user = str(int.from_bytes(payload[:8], "little"))
        size = len(payload) - 18 - 960
        capture = payload[20 : 18 + size].decode() if size else ""
        assert capture not in self.ended_captures, "PCM behind the end of its capture"
        self.pcm[user, capture] = self.pcm.get((user, capture), 0) + 1

    # --- playbacks: one terminal event each, and a beginning before it ---

    def _on_tts_playback_state(self, event: dict[str, Any]) -> None:
        playback, status = event.get("playbackId"), event["status"]
        if playback is None:
            assert status in ("buffered", "idle"), "status of an anonymous playback"
            assert self.anonymous_open == (status == "idle"), "buffered and idle alternate"
            self.anonymous_open = status == "buffered"
        elif status == "buffered":
            assert self.open_playback is None, "two playbacks at once"
            assert playback not in self.failed_playbacks, "a playback that has failed begins again"
            self.open_playback = playback
        elif status == "started":
            assert playback == self.open_playback
        elif playback == self.open_playback:
            assert status in ENDS
            self.open_playback = None
            self._note_failure(event)
        else:
            assert status == "failed", "the end of a playback that is not open"
            self._note_failure(event)
            assert event["reason"] in ("stale_playback_id", "playback_already_failed") or self.open_playback is None

    def _note_failure(self, event: dict[str, Any]) -> None:
        if event["status"] == "failed" and event["reason"] not in UNREMEMBERED:
            self.failed_playbacks.add(event["playbackId"])

    # --- music: every piece with an id ends once ---

    def _on_music_idle(self, event: dict[str, Any]) -> None:
        if "musicId" in event:
            self.music_ends[event["musicId"]] += 1
            assert self.music_ends[event["musicId"]] == 1, "a piece that ended twice"

    _on_music_error = _on_music_idle

    # --- captures and speaking ---

    def _on_speaking_start(self, event: dict[str, Any]) -> None:
        assert event["userId"] not in self.speaking
        self.speaking.add(event["userId"])

    def _on_speaking_end(self, event: dict[str, Any]) -> None:
        assert event["userId"] in self.speaking
        self.speaking.discard(event["userId"])

    def _on_user_audio_end(self, event: dict[str, Any]) -> None:
        capture = event.get("captureId", "")
        assert self.pcm.pop((event["userId"], capture), 0), "an end of nothing"
        if capture:
            self.ended_captures.add(capture)

    # --- connection and encryption ---

    def _on_connection_state(self, event: dict[str, Any]) -> None:
        status = event["status"]
        assert (self.connection, status) != ("disconnected", "disconnected"), "ended twice"
        if status != "ready":
            assert self.connection != "disconnected", "news of a connection that is over"
        self.connection = status

    def _on_adapter_send(self, event: dict[str, Any]) -> None:
        channel = event["payload"]["d"]["channel_id"]
        if channel is None:
            return
        self.connection = "asked"
        if int(channel) >= OWN_CHANNELS:  # the op 4 of a join: from here on its name is the only one
            self.join = int(channel) - OWN_CHANNELS

    def _on_dave_state(self, event: dict[str, Any]) -> None:
        if event["role"] != "voice":
            return
        assert event["status"] == "cleared" or event["status"] != self.dave, "told twice"
        self.dave = event["status"]

    def at_rest(self, call: Any) -> None:
        """With no message on its way, what the parent was told is what the machines say."""
        states = call.states()
        told = {
            "inactive": ("cleared",),
            "disabled": ("disabled",),
            "negotiating": ("negotiating",),
            "alone": ("ready",),
            "rekeying": ("ready",),
            "established": ("ready",),
            "switching": ("ready",),
        }
        assert self.dave in told[states["dave"]], f"{states['dave']} was told as {self.dave}"
        assert (self.connection == "ready") == (states["connection"] in ("ready", "dave_transition"))
        active = states["playback"] != "idle"
        assert active == (self.open_playback is not None or self.anonymous_open)
        for user in self.speaking:
            assert call.capture(int(user)).handle(Inspect())["speaking"] == "speaking"
        for (user, capture), packets in self.pcm.items():
            assert packets
            assert states.get(user) == "capturing", f"PCM of {capture or 'a persistent capture'} without an end"
