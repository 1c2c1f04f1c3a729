"""Desired states of what is heard, said and shown: playback, music, captures and our own stream."""

from collections import deque
from typing import Final

from msgspec import structs

from clankvox.actors.wish import INTERNAL_ERROR, Wish
from clankvox.fsm.music import MusicState
from clankvox.fsm.publish import PublishState
from clankvox.ids import MUSIC, Address, MusicId, PlaybackId, Role, Track, UserId
from clankvox.messages import capture, music, playback, publish
from clankvox.messages import router as reports
from clankvox.messages.common import ActorFailed, Envelope, Message, ResetBaton

TOMBSTONES: Final = 64
"""Failed playbacks whose further chunks are refused; as many as the contract has."""
_STALE: Final = frozenset({"stale_playback_id", "playback_already_failed"})
"""Refusals that say nothing new about their playback."""


class PlaybackWish(Wish):
    """The way out, the mix, and what the parent waits for: speech is lost with its actor, all else goes on."""

    _path: playback.PathOpened | None = None
    _suspended: playback.PathSuspended | None = None
    _gain: playback.SetGain | None = None
    _ducking: playback.SetDucking | None = None
    _quiet: playback.AwaitQuiet | None = None
    _open: reports.TtsReported | None = None
    _played_ms: int | None = None

    def __init__(self, address: Address) -> None:
        super().__init__(address)
        self._unanswered: dict[PlaybackId, None] = {}
        """Playbacks that were spoken of when an actor failed, and that the parent has heard nothing of."""
        self._failed: deque[PlaybackId] = deque(maxlen=TOMBSTONES)
        self._offered: set[Track] = set()

    def ordered(self, message: Message) -> None:
        """See Wish."""
        match message:
            case playback.PathOpened():
                self._path, self._suspended = message, None
            case playback.PathSuspended():
                self._suspended = message
            case ResetBaton():
                self._path = self._suspended = self._quiet = None
            case playback.SetGain():
                self._gain = message
            case playback.SetDucking():
                self._ducking = message
            case playback.AwaitQuiet():
                self._quiet = message
            case playback.OfferTrack(track=track):
                self._offered.add(track)
            case _:
                pass

    def covers(self, message: Message) -> bool:
        """See Wish; orders about tracks are worth nothing without their tracks."""
        path = playback.PathOpened | playback.PathSuspended
        return isinstance(message, path | playback.MixMessage | playback.SlotServed | playback.SpeechLost)

    def answered(self, message: Message) -> None:
        """Take note of what playback tells the music actor."""
        match message:
            case music.TrackSilenced(track=track) | music.TrackExhausted(track=track):
                self._offered.discard(track)
            case music.QuietReached():
                self._quiet = None
            case _:
                pass

    def reported(self, report: Message) -> None:
        """See Wish."""
        match report:
            case reports.TtsReported(status="buffered"):
                self._open, self._played_ms = report, None
            case reports.TtsReported(status="started"):
                pass
            case reports.TtsReported(playback_id=playback_id, status=status, reason=reason):
                self._ended(playback_id, failed=status == "failed" and reason not in _STALE)
            case reports.TtsChunkRefused(playback_id=playback_id, reason=reason) if playback_id is not None:
                self._ended(playback_id, failed=reason != "playback_already_failed")
            case reports.TtsOverflowed(playback_id=playback_id) if playback_id is not None:
                self._ended(playback_id, failed=True)
            case reports.TtsPositionReported(played_ms=played_ms):
                self._played_ms = played_ms
            case _:
                pass

    def _ended(self, playback_id: PlaybackId | None, *, failed: bool) -> None:
        if failed and playback_id is not None and playback_id not in self._failed:
            self._failed.append(playback_id)
        if playback_id is not None:
            self._unanswered.pop(playback_id, None)
        if self._open is not None and self._open.playback_id == playback_id:
            self._open = None

    def revival(self, failure: ActorFailed) -> list[Envelope]:
        """See Wish: gain before the path, for nobody who could hear it is told that a gain is reached."""
        self._unanswered |= dict.fromkeys(_new_ids(failure.cause))
        lost = playback.SpeechLost(
            failed_ids=tuple(self._failed),
            lost=tuple(dict.fromkeys([*self._open_ids(), *self._unanswered])),
            played_ms=self._played_ms if self._open is not None else None,
        )
        gain = None if self._gain is None else structs.replace(self._gain, fade_ms=0)
        state = [gain, self._ducking, self._path, self._suspended, self._quiet]
        gone = [music.TrackSilenced(track=track, played_ms=0) for track in sorted(self._offered)]
        self._offered.clear()
        repeated = [failure.cause] if isinstance(failure.cause, playback.StopPlayback) else []
        told = self.to_heir(lost, *[each for each in state if each is not None], *repeated)
        return [*[Envelope(to=MUSIC, message=silenced) for silenced in gone], *told]

    def _open_ids(self) -> list[PlaybackId | None]:
        return [] if self._open is None else [self._open.playback_id]

    def last_words(self, failure: ActorFailed) -> list[reports.Report]:  # noqa: ARG002 - it needs none
        """See Wish."""
        if self._open is None:
            return []
        playback_id = self._open.playback_id
        played_ms = None if playback_id is None else self._played_ms
        return [
            reports.TtsReported(playback_id=playback_id, status="failed", reason=INTERNAL_ERROR, played_ms=played_ms)
        ]


def _new_ids(cause: Message | None) -> list[PlaybackId]:
    """Return the playback that was spoken of when the actor failed: the parent waits for an answer."""
    match cause:
        case (
            playback.PlayTts(playback_id=str() as playback_id)
            | playback.FinishTts(playback_id=str() as playback_id)
            | playback.StopTts(playback_id=str() as playback_id)
        ):
            return [PlaybackId(playback_id)]
        case _:
            return []


_SETTLING: Final = music.PlayMusic | music.StopMusic | music.PauseMusic | music.ResumeMusic | music.SetMusicGain
"""Commands behind which others wait."""


class MusicWish(Wish):
    """The piece that the parent wants to hear, and where it is. Commands of music settle one after the other."""

    _order: music.PlayMusic | None = None
    _under_way: Message | None = None
    _told = MusicState.IDLE
    _position_ms = 0
    _paused = False
    _stopping = False

    def ordered(self, message: Message) -> None:
        """See Wish."""
        if isinstance(message, _SETTLING):
            self._under_way = message

    def covers(self, message: Message) -> bool:
        """See Wish."""
        return isinstance(message, music.MusicRevived)

    def settled(self) -> None:
        """See Wish."""
        order, self._under_way = self._under_way, None
        match order:
            case music.StopMusic() | music.PauseMusic() | music.ResumeMusic() if self._is_meant(order.music_id):
                self._stopping = isinstance(order, music.StopMusic)
                self._paused = isinstance(order, music.PauseMusic)
            case _:
                pass

    def _is_meant(self, music_id: MusicId | None) -> bool:
        return self._order is not None and music_id in (None, self._order.music_id)

    def reported(self, report: Message) -> None:
        """See Wish."""
        match report:
            case reports.MusicReported(event="play_requested"):
                self._forget()
                self._told = report.now
                self._order = self._under_way if isinstance(self._under_way, music.PlayMusic) else None
                self._under_way = None
            case reports.MusicReported():
                self._told = report.now
                self._note_position(report.music_id, report.played_ms)
                if report.now is MusicState.IDLE:
                    self._forget()
            case reports.MusicPositionReported(music_id=music_id, played_ms=played_ms):
                self._note_position(music_id, played_ms)
            case reports.MusicReplaced(music_id=music_id) if self._is_meant(music_id):
                if music_id is not None or isinstance(self._under_way, music.PlayMusic):
                    self._forget()
            case _:
                pass

    def _note_position(self, music_id: MusicId | None, played_ms: int) -> None:
        if self._order is not None and music_id == self._order.music_id:
            self._position_ms = max(self._position_ms, played_ms)

    def _forget(self) -> None:
        self._order = None
        self._position_ms, self._paused, self._stopping = 0, False, False

    def revival(self, failure: ActorFailed) -> list[Envelope]:
        """See Wish."""
        if isinstance(failure.will, music.MusicWill):
            self._note_position(failure.will.music_id, failure.will.played_ms)
        orders: list[Message] = []
        if self._order is not None:
            orders.append(
                music.MusicRevived(
                    order=self._order,
                    position_ms=self._position_ms,
                    told=self._told,
                    paused=self._paused,
                    stopping=self._stopping,
                )
            )
        cause = failure.cause
        unsettled = cause is self._under_way or isinstance(cause, music.StopAllMusic)
        if cause is not None and (unsettled or _is_new(cause, self._order)):
            orders.append(cause)  # what comes behind it waits until the heir has carried it out
        return self.to_heir(*orders)

    def last_words(self, failure: ActorFailed) -> list[reports.Report]:
        """See Wish."""
        cause = failure.cause
        over = [self._order] if self._order is not None else []
        if isinstance(cause, music.PlayMusic) and _is_new(cause, self._order):
            over.append(cause)
        return [
            reports.MusicReported(
                music_id=order.music_id,
                event="source_failed",
                was=self._told,
                now=MusicState.IDLE,
                played_ms=self._position_ms if order is self._order else 0,
                code="pipeline_failed",
                detail="internal error",
            )
            for order in over
        ]


def _is_new(cause: Message | None, current: music.PlayMusic | None) -> bool:
    return isinstance(cause, music.PlayMusic) and cause is not current


class CaptureWish(Wish):
    """What the parent was told of one user's speech; what it wants to hear is in the will, and in the mail."""

    _started = 0
    """The arming into which PCM has flowed last, and whose end was not told."""
    _is_speaking = False

    def ordered(self, message: Message) -> None:
        """See Wish."""
        if isinstance(message, capture.SpeechStarted):
            self._started = message.arming

    def reported(self, report: Message) -> None:
        """See Wish."""
        match report:
            case reports.SpeakingReported(role=role, user_id=user_id, speaking=speaking) if self._is_mine(
                role, user_id
            ):
                self._is_speaking = speaking
            case reports.CaptureEnded(role=role, user_id=user_id) if self._is_mine(role, user_id):
                self._started = 0
            case _:
                pass

    def _has_flowed(self, will: Message | None) -> bool:
        """Tell whether PCM of the subscription has flowed, and its end was not told."""
        if not isinstance(will, capture.CaptureWill) or will.subscription is None:
            return False
        return will.capturing or self._started == will.arming

    def _is_mine(self, role: Role, user_id: UserId) -> bool:
        return (role, user_id) == (self._address.role, self._address.user_id)

    def revival(self, failure: ActorFailed) -> list[Envelope]:
        """See Wish."""
        will, cause = failure.will, failure.cause
        subscription, arming = None, 0
        if isinstance(will, capture.CaptureWill):
            subscription, arming = will.subscription, will.arming
        revived = capture.CaptureRevived(
            subscription=subscription,
            arming=arming,
            capturing=self._has_flowed(will),
            speaking=self._is_speaking,
        )
        orders = capture.Subscribe | capture.Unsubscribe | capture.MemberGone | capture.CaptureRevived
        repeated = [cause] if isinstance(cause, orders) and cause is not subscription else []
        return self.to_heir(revived, *repeated)

    def last_words(self, failure: ActorFailed) -> list[reports.Report]:
        """See Wish."""
        role, user_id, will = self._address.role, self._address.user_id, failure.will
        told: list[reports.Report] = []
        if user_id is None:
            return told
        subscription = will.subscription if isinstance(will, capture.CaptureWill) else None
        capture_id = subscription.capture_id if subscription is not None else None
        if self._is_speaking:
            silent = reports.SpeakingReported(role=role, user_id=user_id, capture_id=capture_id, speaking=False)
            told.append(silent)
        if self._has_flowed(will):
            told.append(reports.CaptureEnded(role=role, user_id=user_id, capture_id=capture_id))
        return told


class PublishWish(Wish):
    """What the parent wants to publish, and the way on which it leaves."""

    _source: publish.PublishUrl | publish.PublishBrowser | None = None
    _paused: publish.PublishPause | None = None
    _path: publish.PublishPathOpened | None = None
    _told = PublishState.IDLE

    def ordered(self, message: Message) -> None:
        """See Wish."""
        match message:
            case publish.PublishUrl(url=url) if url:
                self._source, self._paused = message, None
            case publish.PublishBrowser(refusal=None):
                self._source, self._paused = message, None
            case publish.PublishPause() if self._source is not None:
                self._paused = message
            case publish.PublishResume():
                self._paused = None
            case publish.PublishStop():
                self._source = self._paused = None
            case publish.PublishPathOpened():
                self._path = message
            case publish.PublishPathClosed(final=final):
                self._path = None
                self._source, self._paused = (None, None) if final else (self._source, self._paused)
            case ResetBaton(reason=reason) if reason == INTERNAL_ERROR:
                self._path = self._source = self._paused = None
            case publish.KeyframeIntervalChanged(attempt=attempt, interval_ms=interval_ms):
                if self._path is not None and self._path.attempt == attempt:
                    self._path = structs.replace(self._path, keyframe_interval_ms=interval_ms)
            case _:
                pass

    def covers(self, message: Message) -> bool:
        """See Wish; a baton is passed on, so it is not."""
        return isinstance(message, publish.PublishMessage) and not isinstance(message, ResetBaton)

    def reported(self, report: Message) -> None:
        """See Wish."""
        if isinstance(report, reports.PublishReported):
            self._told = report.now
            if report.event in ("source_ended", "source_failed"):
                self._source = self._paused = None

    def revival(self, failure: ActorFailed) -> list[Envelope]:  # noqa: ARG002 - it needs nothing of it
        """See Wish."""
        return self.to_heir(*[each for each in (self._path, self._source, self._paused) if each is not None])

    def last_words(self, failure: ActorFailed) -> list[reports.Report]:  # noqa: ARG002 - it needs nothing of it
        """See Wish: a source that was ordered ends, also if nothing was said of it yet."""
        if self._told is PublishState.IDLE and self._source is None:
            return []
        return [
            reports.PublishReported(
                event="source_failed",
                was=self._told,
                now=PublishState.IDLE,
                linked=self._path is not None,
                reason=INTERNAL_ERROR,
            )
        ]
