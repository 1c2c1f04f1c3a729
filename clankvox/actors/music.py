"""Music: the current piece, from the parent's request to its end, and what the parent is told of it.

No PCM comes here: sources fill a TrackBuffer each, on threads of their own, and the playback actor empties it.
"""

from collections.abc import Callable, Iterator
from typing import Final, assert_never

from clankvox.actors.base import BaseActor, Surroundings
from clankvox.actors.music_leaving import FADE_OUT_MS, LeavingPieces
from clankvox.actors.music_piece import Piece, new_buffer, report_of
from clankvox.fsm.music import (
    FADING,
    FOLLOWED,
    FRAGILE,
    HELD,
    OFFERED,
    OPENING,
    PAUSED,
    SOUNDING,
    UNHEARD,
    MusicMachine,
    MusicState,
)
from clankvox.ids import PLAYBACK, Attempt, Track
from clankvox.media.source_port import MusicSourcePort, SourceRequest
from clankvox.media.track_buffer import TrackBuffer
from clankvox.messages import playback
from clankvox.messages import router as reports
from clankvox.messages.common import Inspect, ResetBaton
from clankvox.messages.music import (
    GainReached,
    MusicMessage,
    MusicRevived,
    MusicWill,
    PauseMusic,
    PlayMusic,
    QuietOverdue,
    QuietReached,
    ResumeMusic,
    SetMusicGain,
    SourceEnded,
    SourceFailed,
    SourceStarted,
    StopAllMusic,
    StopMusic,
    TrackBegan,
    TrackExhausted,
    TrackPosition,
    TrackSilenced,
)

FADE_IN_MS: Final = 1_500
RESUME_FADE_MS: Final = 20
QUIET_DEADLINE_S: Final = 15.0
"""Longest wait of music without an id for the end of an announcement."""

_MUSIC_STOP: Final = "music_stop"


class MusicActor(BaseActor[MusicMessage | Inspect]):
    """One per process. Everything runs on this actor's thread."""

    def __init__(self, surroundings: Surroundings, sources: MusicSourcePort, numbers: Iterator[int]) -> None:
        """`numbers` counts tracks over the life of the process: an heir must not take news of old ones for its own."""
        super().__init__(surroundings)
        self._sources = sources
        self._numbers = numbers
        self._machine = MusicMachine(self._observe)
        self._piece: Piece | None = None
        self._leaving = LeavingPieces(sources, lambda order: self.send(PLAYBACK, order), self.report)

    def handle(self, message: MusicMessage | Inspect) -> object:
        """See BaseActor."""
        match message:
            case PlayMusic():
                self._settling(lambda: self._on_play(message))
            case StopMusic() | PauseMusic() | ResumeMusic() | SetMusicGain():
                self._settling(lambda: self._on_command(message))
            case SourceStarted() | SourceEnded() | SourceFailed():
                self._on_source(message)
            case TrackBegan(track=track) | TrackPosition(track=track):
                self._on_position(track)
            case TrackExhausted(track=track):
                self._on_exhausted(track)
            case TrackSilenced(track=track):
                self._on_silenced(track)
            case GainReached(track=track, gain=gain):
                self._on_gain_reached(track, gain)
            case QuietReached(track=track) | QuietOverdue(track=track):
                if self._current(track) is not None and self._state is MusicState.WAITING:
                    self._admit()
            case StopAllMusic():
                self._on_stop_all()
            case MusicRevived():
                self._on_revived(message)
            case ResetBaton():
                self._on_reset(message)
            case Inspect():
                return {"state": str(self._state), "leaving": len(self._leaving)}
            case _:
                assert_never(message)
        return None

    def let_go(self) -> None:
        """Leave no source open and no track in the mix."""
        piece, self._piece = self._piece, None
        if piece is not None:
            self._leaving.drop(piece)
        self._leaving.close()

    def will(self) -> MusicWill | None:
        """See BaseActor."""
        piece = self._piece
        return None if piece is None else MusicWill(music_id=piece.music_id, played_ms=piece.played_ms)

    @property
    def _state(self) -> MusicState:
        return MusicState(self._machine.current_state_value)

    def _current(self, track: int) -> Piece | None:
        """Return the current piece if it is played as `track`; the track and its source have the same number."""
        return self._piece if self._piece is not None and self._piece.track == track else None

    # --- commands ---

    def _settling(self, carry_out: Callable[[], None]) -> None:
        """Let the commands behind this one wait: whether speech is taken may depend on what it does."""
        try:
            carry_out()
        finally:
            self.report(reports.Settled())

    def _on_play(self, command: PlayMusic) -> None:
        if not command.url or command.music_id == "":
            self.report(reports.MusicUnplayable(music_id=command.music_id))
            return
        was = self._state
        self._leaving.begin_anew(command.music_id, self._piece)
        self._replace()
        self._machine.play_requested()
        self._open(self._piece_of(command))
        self._tell("play_requested", was)

    def _piece_of(self, order: PlayMusic, start_ms: int = 0) -> Piece:
        request = SourceRequest(order.url, order.direct, start_ms)
        return Piece(*self._new_track(), request, order.music_id, waits_for_speech=order.waits_for_speech)

    def _open(self, piece: Piece) -> None:
        self._piece = piece
        self._sources.open(piece.attempt, piece.request, piece.buffer)

    def _on_revived(self, revival: MusicRevived) -> None:
        """Go on with the predecessor's piece where the listeners have heard it."""
        told, piece = revival.told, self._piece_of(revival.order, revival.position_ms)
        if revival.paused and told not in UNHEARD:
            self._piece = piece
            self._machine.revived_paused()
        else:
            self._machine.play_requested() if told in UNHEARD else self._machine.revived()
            self._open(piece)
            if revival.paused:
                self._machine.pause_requested()
        if revival.stopping:
            self._end_stopped(_MUSIC_STOP)
        elif revival.paused is not (told in PAUSED):
            self._tell("pause_requested" if revival.paused else "resume_requested", told)

    def _replace(self) -> None:
        """Make room for another piece: one that sounds goes on until that one is heard, one that does not ends."""
        piece, self._piece = self._piece, None
        if piece is None:
            return
        if self._state in SOUNDING:
            self._leaving.replace(piece)
            return
        self._discard(piece, sounds=self._state in OFFERED)
        self._leaving.tell_end(piece)

    def _on_command(self, command: StopMusic | PauseMusic | ResumeMusic | SetMusicGain) -> None:
        """Without an id the current piece is meant; the id of another one is ignored."""
        piece = self._piece
        if command.music_id is not None and (piece is None or piece.music_id != command.music_id):
            return
        match command:
            case SetMusicGain(target=target, fade_ms=fade_ms):
                track = None if piece is None else piece.track
                self.send(PLAYBACK, playback.SetGain(target=target, fade_ms=fade_ms, track=track))
            case StopMusic():
                self._on_stop(piece)
            case PauseMusic() if piece is not None:
                self._on_pause(piece)
            case ResumeMusic() if piece is not None:
                self._on_resume(piece)

    def _on_stop(self, piece: Piece | None) -> None:
        if piece is None:
            self._tell("stopped", MusicState.IDLE, reason=_MUSIC_STOP)
        elif self._state is MusicState.PLAYING:
            self._machine.fade_out_begun()
            self.send(PLAYBACK, playback.FadeOutTrack(track=piece.track, fade_ms=FADE_OUT_MS))
        elif self._state not in FADING:
            self._end_stopped(_MUSIC_STOP)
            self._leaving.fade()

    def _on_pause(self, piece: Piece) -> None:
        was = self._state
        if was in FADING:
            self.send(PLAYBACK, playback.CancelFadeOut(track=piece.track))
        if was in SOUNDING:
            self.send(PLAYBACK, playback.HoldTrack(track=piece.track))
        if was is MusicState.REOPENING:
            piece.close(self._sources)
        if was not in PAUSED:
            self._machine.pause_requested()
        self._leaving.cut()
        self._tell("pause_requested", was)

    def _on_resume(self, piece: Piece) -> None:
        was = self._state
        if was in FADING:
            self.send(PLAYBACK, playback.CancelFadeOut(track=piece.track))
        if was in HELD:
            self.send(PLAYBACK, playback.ReleaseTrack(track=piece.track))
        if was in FADING | PAUSED:
            self._machine.resume_requested()
        if was is MusicState.PAUSED_BROKEN:
            self._reopen(piece)
        self._tell("resume_requested", was)
        if was is MusicState.PAUSED_UNHEARD:
            self._seek_admission(piece)

    # --- the source ---

    def _on_source(self, news: SourceStarted | SourceEnded | SourceFailed) -> None:
        piece = self._current(news.attempt)
        match news:
            case SourceFailed():
                self._on_source_failed(piece, news)
            case _ if piece is None:
                pass
            case SourceStarted():
                self._on_source_started(piece)
            case SourceEnded():
                self._on_source_ended(news.attempt)

    def _on_source_started(self, piece: Piece) -> None:
        was = self._state
        if was not in OPENING:
            return
        self._machine.source_started()
        match was:
            case MusicState.LOADING:
                self._seek_admission(piece)
            case MusicState.PAUSED_LOADING:
                self._tell("source_started", was)
            case MusicState.REOPENING:
                self._offer(piece, RESUME_FADE_MS)

    def _seek_admission(self, piece: Piece) -> None:
        """Let a piece without an id wait for the end of what is being said; one with an id is heard at once."""
        if not piece.waits_for_speech:
            self._admit()
            return
        self.send(PLAYBACK, playback.AwaitQuiet(track=piece.track))
        self.later(QUIET_DEADLINE_S, QuietOverdue(track=piece.track))

    def _admit(self) -> None:
        piece, was = self._piece, self._state
        assert piece is not None  # noqa: S101 - there is one in every state but idle
        self._machine.admitted()
        self._offer(piece, FADE_IN_MS)
        self._tell("admitted", was)
        if piece.buffer.finished:
            self._machine.source_ended()

    def _offer(self, piece: Piece, fade_in_ms: int) -> None:
        self.send(PLAYBACK, playback.OfferTrack(track=piece.track, buffer=piece.buffer, fade_in_ms=fade_in_ms))

    def _on_source_ended(self, attempt: Attempt) -> None:
        if self._state in FOLLOWED:
            self._machine.source_ended()
        elif self._state is MusicState.REOPENING:  # nothing came after the position at which it was paused
            self._end_played()
        elif self._state in OPENING:
            self._end_failed(SourceFailed(attempt=attempt, code="no_audio", message="no audio", position_ms=0))

    def _on_source_failed(self, piece: Piece | None, news: SourceFailed) -> None:
        track = Track(news.attempt)
        if piece is None:
            self._leaving.source_lost(track)
        elif self._state in (MusicState.PAUSED, MusicState.PAUSED_UNHEARD):
            self._discard(piece, sounds=self._state is MusicState.PAUSED)
            self._machine.source_lost()
        elif self._state is MusicState.STOPPING:
            self._end_stopped(_MUSIC_STOP)
        elif self._state in FRAGILE:
            self._end_failed(news)

    def _reopen(self, piece: Piece) -> None:
        """Open the source again where the listeners have heard it."""
        request = piece.request._replace(start_ms=piece.played_ms)
        self._open(Piece(*self._new_track(), request, piece.music_id, waits_for_speech=piece.waits_for_speech))

    def _new_track(self) -> tuple[Track, TrackBuffer]:
        track = Track(next(self._numbers))
        return track, new_buffer(track, self._tell_router)

    # --- what is heard ---

    def _on_position(self, track: Track) -> None:
        piece = self._current(track)
        if piece is not None:
            self.report(reports.MusicPositionReported(music_id=piece.music_id, played_ms=piece.played_ms))

    def _on_exhausted(self, track: Track) -> None:
        if self._current(track) is None:
            self._on_silenced(track)
        elif self._state in FADING:
            self._end_stopped(_MUSIC_STOP, silent=True)
        elif self._state in OFFERED:
            self._end_played()

    def _on_silenced(self, track: Track) -> None:
        self._leaving.silenced(track)
        piece = self._current(track)
        if piece is None:
            return
        if self._state in FADING:
            self._end_stopped(_MUSIC_STOP, silent=True)
        elif self._state in OFFERED:  # a stop was taken back when the fade was over already
            piece.close(self._sources)
            self._machine.track_lost()
            if self._state is MusicState.REOPENING:
                self._reopen(piece)

    def _on_gain_reached(self, track: Track | None, gain: float) -> None:
        piece = None if track is None else self._current(track) or self._leaving.of(track)
        if piece is not None or track is None:
            self.report(reports.MusicGainReported(music_id=None if piece is None else piece.music_id, gain=gain))

    # --- the end of a piece ---

    def _end_played(self) -> None:
        was, piece = self._state, self._taken(sounds=False)
        self._machine.all_played()
        self._tell("all_played", was, piece)

    def _end_stopped(self, reason: str, *, silent: bool = False) -> None:
        was, piece = self._state, self._taken(sounds=not silent and self._state in OFFERED)
        self._machine.stopped()
        self._tell("stopped", was, piece, reason=reason)

    def _end_failed(self, failure: SourceFailed) -> None:
        was, piece = self._state, self._taken(sounds=self._state in OFFERED)
        self._machine.source_failed()
        self._leaving.fade()
        self._tell("source_failed", was, piece, failure=failure)

    def _on_stop_all(self) -> None:
        """Carry out stop_playback, which shows an idle player whatever there was."""
        self._leaving.end()
        if self._piece is not None:
            self._end_stopped("stop_playback")
        else:
            self._tell("stopped", MusicState.IDLE, reason="stop_playback")
        self.report(reports.Settled())

    def _on_reset(self, baton: ResetBaton) -> None:
        self._leaving.end()
        if self._piece is not None:
            self._end_stopped(baton.reason)
        self._leaving.close()
        self.report(baton)

    def _taken(self, *, sounds: bool) -> Piece:
        piece, self._piece = self._piece, None
        assert piece is not None  # noqa: S101 - there is one in every state but idle
        self._discard(piece, sounds=sounds)
        return piece

    def _discard(self, piece: Piece, *, sounds: bool) -> None:
        """Take `piece` from its source; if it sounds, from playback, and from its source when it is silent."""
        if sounds:
            self._leaving.drop(piece)
        else:
            piece.close(self._sources)

    def _tell(
        self,
        event: str,
        was: MusicState,
        piece: Piece | None = None,
        *,
        reason: str = "",
        failure: SourceFailed | None = None,
    ) -> None:
        """Report what has happened to `piece`, else to the current one."""
        self.report(report_of(piece or self._piece, event, was, self._state, reason, failure))
