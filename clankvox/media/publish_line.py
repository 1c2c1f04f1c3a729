"""From a source to a sender, in time: what to show next, when, and whether it is an IDR.

Pure: `step` does one thing that is due and says when to be called again. An *instant* is when a picture is to be seen,
on the clock; a source's media times are mapped onto instants by one offset, which moves when the source is held
or stalls. Timestamps follow the instants, so a pause shows as the time that it took.
"""

import contextlib
import math
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

from clankvox.errors import CodecError
from clankvox.media.keyframe_policy import KeyframePolicy
from clankvox.media.letterbox import Letterbox
from clankvox.media.picture_source import Item, PictureSource, Pulled, SourceFailed, TimedPicture, TimedSound
from clankvox.media.stream_audio import StreamAudio
from clankvox.media.video_encoder import VideoEncoder
from clankvox.media.video_sender import VideoSender
from clankvox.media.video_target import VideoTarget
from clankvox.ports import PublishStep

READ_AHEAD_S: Final = 0.25
"""How far decoded media is ahead: what evens out slow packets, and gives sound its place before the picture's."""
START_S: Final = 0.1
STALL_S: Final = 0.5
"""A source that is later than this goes on from now, instead of a burst of what was due."""
BEHIND_S: Final = 1.0
"""A queue of packets longer than this is dropped, up to an IDR that is made at once."""
REPEAT_S: Final = 0.5
"""A picture that stands is encoded again this often, for viewers who come late."""
_READ_AHEAD_PIXELS: Final = 48 * 1_280 * 720
"""Decoded pictures that may wait, 66 MB of them, where a container's sound comes long after its pictures."""
_SHRUNK_FROM_PIXELS: Final = _READ_AHEAD_PIXELS // 2
"""Beyond these they wait in the target's size: of 4K too there are as many as its sound is late."""
SOUND_AHEAD_S: Final = 20.0
"""Where a picture stands for long, the sound until the next one comes before it: so much is read, and then waited."""
_LATE_PICTURES: Final = 1.5
"""A picture that is later than this many is skipped if a newer one waits: the encoder does not keep up."""
_SPREAD: Final = 0.9
"""Share of the time to the next picture over which packets are spread."""
_REFUSALS_IN_A_ROW: Final = 30
_LEAST_STEP_S: Final = 0.001


class LineCounters(NamedTuple):
    """What became of one source's pictures."""

    published: int
    repeated: int
    skipped: int
    """Not encoded: over the target's rate, late, or nobody could see them."""
    refused: int
    """Scaler or encoder refused them."""
    stalls: int
    left_out: int
    """Of the source itself: see PictureSource."""


class PublishLine:
    """One source. Every method runs on the publish worker's thread, except where it says otherwise."""

    def __init__(self, source: PictureSource, target: VideoTarget, audio: StreamAudio | None = None) -> None:
        self._source = source
        self._target = target
        self._audio = audio
        self._audio_lease = audio.lease() if audio is not None else 0
        self._letterbox = Letterbox(target.width, target.height)
        self._shrinker = Letterbox(target.width, target.height)
        self._encoder: VideoEncoder | None = None
        self._keyframes = KeyframePolicy()
        self._sender: VideoSender | None = None
        self._lease = 0
        self._on_left: Callable[[], None] = _nothing
        self._paused = False
        self._wanted = True
        self._held_since: float | None = None
        self._cancelled = False
        self._ready: deque[TimedPicture] = deque()
        self._offset_s: float | None = None
        self._last: TimedPicture | None = None
        self._last_instant_s = -math.inf
        self._last_published_at = -math.inf
        self._read_s = {"picture": -math.inf, "sound": -math.inf}
        self._last_kept_slot = -math.inf
        self._ended = False
        self._refused_in_a_row = 0
        self._published = self._repeated = self._skipped = self._refused = self._stalls = 0

    # --- orders ---

    def attach(self, sender: VideoSender, lease: int, on_left: Callable[[], None]) -> None:
        """Send by `sender` from now on; `on_left` is called on the pacer thread for every access unit that left."""
        self._sender = sender
        self._lease = lease
        self._on_left = on_left
        sender.ask_idr()

    def detach(self) -> None:
        """Hold the source: there is no connection."""
        sender, self._sender = self._sender, None
        if sender is not None:
            sender.take_back(self._lease)

    def pause(self) -> None:
        """Hold the source, and drop what has not begun to leave."""
        self._paused = True
        if self._sender is not None:
            self._sender.take_back(self._lease)

    def resume(self) -> None:
        """Go on where the source was held."""
        self._paused = False

    def want(self, *, wanted: bool) -> None:
        """Encode, or let media time go by without encoding."""
        self._wanted = wanted

    def retarget(self, target: VideoTarget) -> None:
        """Encode by `target` from the next picture on."""
        self._target = target
        self._letterbox = Letterbox(target.width, target.height)
        self._shrinker = Letterbox(target.width, target.height)
        self._close_encoder()

    def force_idr(self) -> None:
        """Make the next picture an IDR, if the last one is old enough. Any thread."""
        self._keyframes.ask()

    def cancel(self) -> None:
        """Send nothing any more, whatever `step` is doing, and make it return soon. Any thread."""
        self._cancelled = True
        self._source.interrupt()
        sender = self._sender
        if sender is not None:
            sender.revoke(self._lease)

    def close(self) -> None:
        """Let go of source, encoder and everybody. Idempotent."""
        self._close_encoder()
        self._source.close()
        self._ready.clear()
        # who is told refers to this line: in a cycle the scaler, its threads and its pictures (15 MiB) would outlive
        # the source until a full collection, which with little garbage is hours away
        self._last = self._sender = None
        self._on_left = _nothing

    @property
    def counters(self) -> LineCounters:
        """Snapshot. Any thread."""
        source = self._source.left_out
        return LineCounters(self._published, self._repeated, self._skipped, self._refused, self._stalls, source)

    # --- time ---

    def step(self, now: float) -> PublishStep:
        """Do one thing that is due at `now`. Raises SourceFailed, TransportLost."""
        if self._is_held(now):
            return PublishStep(math.inf)
        self._get_over_stall(now)
        if self._ready and self._due_at() <= now and not (self._is_late(now) and self._reads_on(now)):
            self._show(self._ready.popleft(), now)
            return PublishStep(now)
        if self._wants_more(now):
            item = self._source.pull()
            if item is not Pulled.WAITING:
                self._take(item, now)
                return PublishStep(now)
        if self._repeat_at(now) <= now:
            self._repeat(now)
            return PublishStep(now)
        if self._ended and not self._ready and now >= self._end_at():
            leaving_s = self._sender.backlog_s if self._sender is not None else 0.0
            return PublishStep(now + leaving_s, ended=not leaving_s)
        return PublishStep(self._next_at(now))

    def _next_at(self, now: float) -> float:
        due_at = self._due_at() if self._ready else math.inf
        ends_at = self._end_at() if self._ended and not self._ready else math.inf
        room_at = now + self._sound_over_s(now) if self._sound_over_s(now) > 0 else math.inf
        return min(due_at, self._repeat_at(now), ends_at, room_at)

    def _is_held(self, now: float) -> bool:
        if self._paused or self._sender is None:
            if self._held_since is None:
                self._hold(now)
            return True
        if self._held_since is not None:
            self._release(now - self._held_since)
        return False

    def _hold(self, now: float) -> None:
        self._held_since = now
        self._source.forget()
        if self._source.live:
            self._ready.clear()
        if self._audio is not None:
            self._audio.hold(self._audio_lease)

    def _release(self, held_s: float) -> None:
        """Move everything that is to come by the time that it was held for; live pictures are timed anew."""
        self._held_since = None
        self._keyframes.ask()
        if self._source.live:
            self._offset_s = None
        elif self._offset_s is not None:
            self._offset_s += held_s
        if self._audio is not None:
            self._audio.release(self._audio_lease, held_s)

    def _due_at(self) -> float:
        if self._source.live:
            return self._last_published_at + 1 / self._target.fps
        return self._ready[0].media_time_s + (self._offset_s or 0.0)

    def _repeat_at(self, now: float) -> float:
        """Instant at which the picture that stands is to be encoded again."""
        sender = self._sender
        if self._last is None or sender is None:
            return math.inf
        at = min(self._last_published_at + REPEAT_S, self._keyframes.due_at())
        if sender.wants_idr and sender.may_send and self._wanted:
            at = min(at, self._keyframes.allowed_at)
        at = max(at, self._last_published_at + 1 / self._target.fps)
        return math.inf if self._ready and self._due_at() < max(at, now) + 1.5 / self._target.fps else at

    def _end_at(self) -> float:
        sound_s = self._audio.end_s(self._audio_lease) if self._audio is not None else None
        return max(self._last_instant_s + 1 / self._target.fps, sound_s if sound_s is not None else -math.inf)

    # --- reading ---

    def _wants_more(self, now: float) -> bool:
        if self._ended or self._ready_pixels > _READ_AHEAD_PIXELS:
            return False
        if self._source.live:
            return not self._ready
        if self._offset_s is None:
            return True
        if self._sound_over_s(now) > 0:
            return False
        kinds = ("picture", "sound") if self._source.has_sound else ("picture",)
        return min(self._read_s[kind] for kind in kinds) + self._offset_s < now + READ_AHEAD_S

    @property
    def _ready_pixels(self) -> int:
        return sum(item.picture.width * item.picture.height for item in self._ready)

    def _shrunk(self, timed: TimedPicture) -> TimedPicture:
        """Return a picture that fits the target if this one is larger; one that cannot be scaled is refused later."""
        picture, aspect = timed.picture, timed.pixel_aspect
        if picture.width * picture.height > self._target.width * self._target.height:
            with contextlib.suppress(CodecError):
                return TimedPicture(self._shrinker.fit(picture, aspect), timed.media_time_s)
        return timed

    def _sound_over_s(self, now: float) -> float:
        """By how much sound is read further ahead than it may be."""
        return self._read_s["sound"] + (self._offset_s or 0.0) - now - SOUND_AHEAD_S

    def _take(self, item: Item, now: float) -> None:
        match item:
            case TimedPicture():
                self._read_s["picture"] = item.media_time_s
                self._instant_at(item.media_time_s, now)
                if self._is_kept(item.media_time_s):
                    self._ready.append(self._shrunk(item) if self._ready_pixels > _SHRUNK_FROM_PIXELS else item)
            case TimedSound():
                self._read_s["sound"] = item.media_time_s
                instant_s = self._instant_at(item.media_time_s, now)
                if self._audio is not None:
                    self._audio.put(self._audio_lease, instant_s, item.pcm)
            case Pulled.ENDED:
                self._ended = True
            case Pulled.WAITING:
                pass

    def _instant_at(self, media_time_s: float, now: float) -> float:
        """Map media time to an instant; the first one is shown soon after it was read."""
        if self._offset_s is None:
            self._offset_s = now - media_time_s + (0.0 if self._source.live else START_S)
        return media_time_s + self._offset_s

    def _get_over_stall(self, now: float) -> None:
        """Move all that is to come if the source was silent for long, so that nothing has to be caught up with."""
        if not self._ready or self._source.live or self._offset_s is None:
            return
        late_s = now - self._due_at()
        if late_s > STALL_S:
            self._stalls += 1
            self._offset_s += late_s
            if self._audio is not None:
                self._audio.shift(self._audio_lease, late_s)

    def _is_kept(self, media_time_s: float) -> bool:
        """Thin out what is faster than the target; a quarter of a slot is allowed for rounded times."""
        slot = math.floor(media_time_s * self._target.fps + 0.25)
        if self._source.live or slot > self._last_kept_slot:
            self._last_kept_slot = slot
            return True
        self._skipped += 1
        return False

    # --- showing ---

    def _show(self, picture: TimedPicture, now: float) -> None:
        instant_s = self._instant_of(picture, now)
        frame_s = 1 / self._target.fps
        newer_waits = bool(self._ready) and now - self._last_published_at < 6 * frame_s
        if newer_waits and not self._source.live and now - instant_s > _LATE_PICTURES * frame_s:
            self._skipped += 1
            return
        self._publish(picture, instant_s, now)

    def _is_late(self, now: float) -> bool:
        return not self._source.live and now - self._due_at() > _LATE_PICTURES / self._target.fps

    def _reads_on(self, now: float) -> bool:
        """Whether there is no newer picture to show instead of a late one, and there may be one."""
        return len(self._ready) == 1 and self._wants_more(now)

    def _instant_of(self, picture: TimedPicture, now: float) -> float:
        offset_s = self._offset_s if self._offset_s is not None else now - picture.media_time_s
        instant_s = picture.media_time_s + offset_s
        if instant_s <= self._last_instant_s:  # repeats have filled the time that passed
            instant_s = self._last_instant_s + max(_LEAST_STEP_S, now - self._last_published_at)
        if self._source.live:
            self._offset_s = instant_s - picture.media_time_s
        return instant_s

    def _repeat(self, now: float) -> None:
        if self._last is None:
            return
        since_s = max(_LEAST_STEP_S, now - self._last_published_at)
        instant_s = self._last_instant_s + since_s if self._last_instant_s > -math.inf else now
        self._repeated += 1
        self._publish(self._last, instant_s, now)

    def _publish(self, picture: TimedPicture, instant_s: float, now: float) -> None:
        sender = self._sender
        self._last, self._last_published_at = picture, now
        if sender is None or not self._wanted or not sender.may_send:
            self._skipped += 1
            self._keyframes.ask()
            return
        if sender.backlog_s > BEHIND_S:
            sender.take_back(self._lease)
        if sender.wants_idr and instant_s < self._keyframes.allowed_at:
            self._skipped += 1
            return
        idr = sender.wants_idr or self._keyframes.is_due(instant_s, self._target.keyframe_interval_s)
        try:
            unit = self._opened_encoder().encode(
                self._letterbox.fit(picture.picture, picture.pixel_aspect), instant_s, idr=idr
            )
        except CodecError as error:
            self._count_refusal(error)
            return
        self._refused_in_a_row = 0
        spread_s = _SPREAD / self._target.fps
        if self._cancelled or not sender.send(
            self._lease, unit, instant_s, spread_s=spread_s, now=now, on_left=self._on_left
        ):
            return
        self._published += 1
        self._last_instant_s = instant_s
        if unit.keyframe:
            self._keyframes.made(instant_s)

    def _count_refusal(self, error: CodecError) -> None:
        self._refused += 1
        self._refused_in_a_row += 1
        if self._refused_in_a_row >= _REFUSALS_IN_A_ROW:
            raise SourceFailed("the pictures cannot be encoded") from error

    def _opened_encoder(self) -> VideoEncoder:
        if self._encoder is None:
            self._encoder = VideoEncoder(self._target)
        return self._encoder

    def _close_encoder(self) -> None:
        encoder, self._encoder = self._encoder, None
        if encoder is not None:
            encoder.close()


def _nothing() -> None:
    """Nobody wants to know."""
