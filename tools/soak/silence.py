"""Silence on both sides behind a NAT that forgets the silent, and then a word: theirs first, and once more ours."""

import base64
import tempfile
import wave
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from clankvox.clock import SystemClock
from clankvox.demo.journal import NotSeen
from clankvox.demo.offline import OfflineDiscord
from clankvox.demo.parent import VoxParent
from tools.soak.bars import Bar
from tools.soak.people import CHANNEL, CONNECTION, GUILD, OURSELVES

NAT_FORGETS_S: Final = 30.0
_SPEAKER: Final = "401"
_LISTENER: Final = "402"
_CAPTURE_HZ: Final = 48_000
_FRAME_SAMPLES: Final = 960
_WORD_S: Final = 0.5
_WORD_FRAMES: Final = 25
_NEVER_MS: Final = 86_400_000
_READY_S: Final = 20.0
_WORD_LIMIT_S: Final = 20.0
_PROMPT_S: Final = 1.0


class SilenceOutcome(NamedTuple):
    """Of both rounds."""

    silent_s: float
    """Each of the two."""
    nat_forgets_s: float
    keepalives: tuple[int, int]
    """That the media server got in each silence."""
    forgotten: int
    """Datagrams, both ways, that met a NAT that had forgotten us."""
    packets: int
    """Of ours in the first silence: there should be none that keep the NAT awake by accident."""
    theirs_after_s: float | None
    """From their op 5 to our first PCM, None if the word was not heard."""
    ours_after_s: float | None
    """From our `audio` to the first packet at the media server."""
    heard_frames: int
    opened_frames: int
    """Of our word, by a member of the group."""
    recoveries: int


class Silence:
    """A context: a call with one who will speak and one who listens."""

    def __init__(self, silent_s: float, nat_forgets_s: float = NAT_FORGETS_S) -> None:
        self._silent_s, self._nat_forgets_s = silent_s, nat_forgets_s
        self._clock = SystemClock()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            forgets_ms = str(round(self._nat_forgets_s * 1000))
            self._discord = stack.enter_context(OfflineDiscord(["--nat-forget-ms", forgets_ms]))
            env = {"SSL_CERT_FILE": str(self._discord.ca_file)}
            self._vox = stack.enter_context(VoxParent(env=env))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._stack.close()

    def hold(self) -> SilenceOutcome:
        """Be silent, let them say a word, be silent again, say one; return what came of it."""
        self._gather()
        before = self._pings()
        packets = self._seen(OURSELVES)["packets"]
        theirs_after_s = self._wait_for_their_word()
        between = self._pings()
        self._clock.sleep(self._silent_s)
        after = self._pings()
        ours_after_s = self._say_a_word()
        seen = self._seen(OURSELVES)
        counted = (seen["received"], seen["forwarded"])
        heard = sum(piece.samples for piece in self._vox.audio_of(_SPEAKER))
        return SilenceOutcome(
            silent_s=self._silent_s,
            nat_forgets_s=self._nat_forgets_s,
            keepalives=(between - before, after - between),
            forgotten=sum(counters.get("nat_forgotten", 0) for counters in counted),
            packets=packets,
            theirs_after_s=theirs_after_s,
            ours_after_s=ours_after_s,
            heard_frames=heard // _FRAME_SAMPLES,
            opened_frames=int(self._seen(_LISTENER).get("decrypted", {}).get(OURSELVES, 0)),
            recoveries=len(self._vox.events_of("recovery")),
        )

    def _gather(self) -> None:
        where = {"serverId": GUILD, "channelId": CHANNEL}
        listener = {"userId": _LISTENER, "tone": 200, "startMs": _NEVER_MS, "receive": True}
        self._discord.order({"type": "add_speaker", **where, **listener})
        since = self._vox.mark()
        self._vox.send({"type": "join", "connectionId": CONNECTION, "guildId": GUILD, "channelId": CHANNEL})
        server = {"endpoint": self._discord.endpoint, "token": "soak", "guild_id": GUILD}
        state = {"session_id": "soak", "user_id": OURSELVES, "channel_id": CHANNEL, "guild_id": GUILD}
        self._vox.send({"type": "voice_server", "data": server})
        self._vox.send({"type": "voice_state", "data": state})
        self._vox.wait_for("dave_state", since=since, role="voice", status="ready", timeout_s=_READY_S)
        word = self._write(_word(_CAPTURE_HZ))
        speaker = {"userId": _SPEAKER, "file": str(word), "startMs": self._silent_s * 1000}
        self._discord.order({"type": "add_speaker", **where, **speaker})
        self._vox.send({"type": "subscribe_user", "userId": _SPEAKER, "sampleRate": _CAPTURE_HZ})

    def _wait_for_their_word(self) -> float | None:
        self._discord.wait_for("speaking", timeout_s=self._silent_s + _WORD_LIMIT_S, userId=_SPEAKER)
        spoke_s = self._clock.now()
        self._discord.wait_for("spoken", timeout_s=_WORD_LIMIT_S, userId=_SPEAKER)
        try:
            first = self._vox.wait_for_audio(_SPEAKER, timeout_s=_WORD_LIMIT_S)
            self._vox.wait_for("user_audio_end", userId=_SPEAKER, timeout_s=_WORD_LIMIT_S)
        except NotSeen:
            return None
        return max(first.at_s - spoke_s, 0.0)

    def _say_a_word(self) -> float | None:
        pcm = base64.b64encode(_word(_CAPTURE_HZ).tobytes()).decode()
        said_s = self._clock.now()
        self._vox.send({"type": "audio", "pcmBase64": pcm, "sampleRate": _CAPTURE_HZ, "playbackId": "word"})
        self._vox.send({"type": "finish_tts_playback", "playbackId": "word"})
        self._vox.wait_for("tts_playback_state", playbackId="word", status="drained", timeout_s=_WORD_LIMIT_S)
        deadline_s = self._clock.now() + _PROMPT_S
        while self._seen(OURSELVES)["packets"] < _WORD_FRAMES and self._clock.now() < deadline_s:
            self._clock.sleep(0.05)
        seen = self._seen(OURSELVES)
        return float(seen["firstArrivalMs"]) / 1000 - said_s if seen["packets"] else None

    def _write(self, pcm: NDArray[np.int16]) -> Path:
        path = self._folder / "word.wav"
        with wave.open(str(path), "wb") as file:
            file.setparams((1, 2, _CAPTURE_HZ, 0, "NONE", ""))
            file.writeframes(pcm.tobytes())
        return path

    def _pings(self) -> int:
        return int(self._seen(OURSELVES)["received"].get("ping", 0))

    def _seen(self, user_id: str) -> dict[str, Any]:
        return next(client for client in self._discord.stats()["clients"] if client["userId"] == user_id)


def _word(rate_hz: int) -> NDArray[np.int16]:
    at_s = np.arange(round(_WORD_S * rate_hz)) / rate_hz
    return (8_000 * np.sin(2 * np.pi * 400 * at_s)).astype(np.int16)


def judge(outcome: SilenceOutcome) -> list[Bar]:
    """Return the bars; the times are those of a machine that may be busy."""
    return [
        Bar("datagrams that met a NAT that had forgotten us", outcome.forgotten, 0),
        Bar("packets of ours in silence", outcome.packets, 0),
        Bar("frames of their word that we did not hear", max(_WORD_FRAMES - outcome.heard_frames, 0), 0),
        Bar("frames of our word that a member did not hear", max(_WORD_FRAMES - outcome.opened_frames, 0), 0),
        Bar("steps of the watchdog", outcome.recoveries, 0),
        Bar("s from their word to its first PCM", _or_never(outcome.theirs_after_s), _PROMPT_S, timed=True),
        Bar("s from our word to its first packet", _or_never(outcome.ours_after_s), _PROMPT_S, timed=True),
    ]


def _or_never(after_s: float | None) -> float:
    return float("inf") if after_s is None else after_s
