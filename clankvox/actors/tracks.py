"""The tracks in the mix, between the music actor and the mixer: a plain object of the playback actor, on its thread.

Orders go to the mixer; what happens to a track, and how much of it crossed the wire, goes back.
"""

from collections.abc import Callable
from typing import Final

from clankvox.ids import Track
from clankvox.media.frame_ledger import FrameFate
from clankvox.media.mixer import Exhausted, Mixer, News, Reached, Silenced
from clankvox.media.pcm import RATE_HZ
from clankvox.media.rtp_sender import OpusFrame
from clankvox.media.track_buffer import TrackBuffer
from clankvox.messages.common import Message
from clankvox.messages.music import GainReached, TrackBegan, TrackExhausted, TrackPosition, TrackSilenced
from clankvox.messages.playback import CancelFadeOut, DropTrack, FadeOutTrack, HoldTrack, OfferTrack, ReleaseTrack

_SAMPLES_PER_MS: Final = RATE_HZ // 1000
_MS_PER_S: Final = 1000.0

TrackOrder = OfferTrack | HoldTrack | ReleaseTrack | FadeOutTrack | CancelFadeOut | DropTrack


class _Account:
    """What became of one track's samples."""

    __slots__ = ("began", "buffer", "exhausted", "frames_on_the_way", "seconds_told", "silenced")

    def __init__(self, buffer: TrackBuffer) -> None:
        self.buffer = buffer
        self.frames_on_the_way = 0
        self.seconds_told = 0
        self.began = False
        self.exhausted = False
        self.silenced = False

    @property
    def played_ms(self) -> int:
        """Milliseconds that crossed the wire."""
        return self.buffer.played_samples // _SAMPLES_PER_MS


class Tracks:
    """Not thread-safe."""

    def __init__(self, mixer: Mixer, tell: Callable[[Message], None]) -> None:
        """`tell` reaches the music actor."""
        self._mixer = mixer
        self._tell = tell
        self._accounts: dict[Track, _Account] = {}

    def obey(self, order: TrackOrder, now: float) -> None:
        """Carry out what the music actor wants."""
        match order:
            case OfferTrack(track=track, buffer=buffer, fade_in_ms=fade_in_ms):
                self._accounts[track] = _Account(buffer)
                self._mixer.offer(track, buffer, fade_in_ms / _MS_PER_S)
            case HoldTrack(track=track):
                self._mixer.hold(track)
            case ReleaseTrack(track=track):
                self._mixer.release(track)
            case FadeOutTrack(track=track, fade_ms=fade_ms):
                self._mixer.fade_out(track, fade_ms / _MS_PER_S, now)
            case CancelFadeOut(track=track):
                self._mixer.cancel_fade_out(track, now)
            case DropTrack(track=track):
                self._mixer.drop(track)

    def made(self, frame: OpusFrame) -> None:
        """Take note that `frame` is on its way."""
        for account, _ in self._in(frame):
            account.frames_on_the_way += 1

    def over(self, frame: OpusFrame, fate: FrameFate) -> None:
        """Count what of `frame` crossed the wire."""
        for account, track in self._in(frame):
            account.frames_on_the_way -= 1
            if fate is FrameFate.SENT:
                account.buffer.played_samples += sum(part.samples for part in frame.parts if part.sound == track)
                self._tell_progress(account, track)
            self._close(account, track)

    def tell(self, news: list[News], *, reachable: bool) -> None:
        """Tell what the mixer says; gains only while there is anybody who could hear them."""
        for item in news:
            match item:
                case Silenced(track=track) if track in self._accounts:
                    account = self._accounts[track]
                    account.silenced = True
                    self._tell(TrackSilenced(track=track, played_ms=account.played_ms))
                    self._close(account, track)
                case Exhausted(track=track) if track in self._accounts:
                    account = self._accounts[track]
                    account.exhausted = True
                    self._close(account, track)
                case Reached(track=track, gain=gain) if reachable:
                    self._tell(GainReached(track=track, gain=gain))
                case _:
                    pass

    def _in(self, frame: OpusFrame) -> list[tuple[_Account, Track]]:
        """Accounts of the tracks in `frame`."""
        if not self._accounts:
            return []  # nearly always: speech alone
        numbers = [part.sound for part in frame.parts]
        return [(account, track) for track, account in list(self._accounts.items()) if track in numbers]

    def _tell_progress(self, account: _Account, track: Track) -> None:
        seconds = account.buffer.played_samples // RATE_HZ
        if not account.began:
            account.began = True
            self._tell(TrackBegan(track=track))
        elif seconds > account.seconds_told and not account.silenced:
            account.seconds_told = seconds
            self._tell(TrackPosition(track=track, played_ms=account.played_ms))

    def _close(self, account: _Account, track: Track) -> None:
        """Forget a track that is over, once nothing of it is on the way any more."""
        if account.frames_on_the_way or not (account.silenced or account.exhausted):
            return
        if account.exhausted:
            self._tell(TrackExhausted(track=track, played_ms=account.played_ms))
        del self._accounts[track]
