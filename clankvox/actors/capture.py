"""One user's capture: what the parent subscribed to, and what it is told of the user's speech.

The PCM itself never comes by here: the role's receive pipeline decodes it and writes it to the audio lane, as this
actor's entry on the capture board says (thread: the role's UDP thread). This actor sees only the facts.
"""

from collections import deque
from typing import Final, assert_never

from clankvox.actors.base import BaseActor, Surroundings
from clankvox.fsm.capture import CaptureMachine, CaptureState, SpeakingMachine, SpeakingState
from clankvox.ids import CaptureId, UserId
from clankvox.media.capture_board import CaptureBoard, CaptureConfig
from clankvox.media.segment import Segment
from clankvox.messages.capture import (
    CaptureMessage,
    CaptureRevived,
    CaptureWill,
    MemberGone,
    SilenceElapsed,
    SpeakingEnded,
    SpeakingStarted,
    SpeechEnded,
    SpeechStarted,
    StreamSuspended,
    Subscribe,
    Unsubscribe,
)
from clankvox.messages.common import Inspect, ResetBaton
from clankvox.messages.router import CaptureEnded, CaptureIdle, MemberLeft, SpeakingReported

_MS: Final = 0.001
_REMEMBERED: Final = 8
"""Armings that were withdrawn before their first PCM was heard of; the news takes less than a millisecond."""


class CaptureActor(BaseActor[CaptureMessage | Inspect]):
    """One per user who is subscribed to or was heard."""

    def __init__(self, surroundings: Surroundings, board: CaptureBoard) -> None:
        super().__init__(surroundings)
        if surroundings.address.user_id is None:
            raise ValueError("a capture's address names a user")
        self._user_id: UserId = surroundings.address.user_id
        self._board = board
        self._machine = CaptureMachine(self._observe)
        self._speaking = SpeakingMachine(self._observe)
        self._capture: Subscribe | None = None
        self._arming = 0
        self._suspension = 0
        self._withdrawn: deque[tuple[int, CaptureEnded]] = deque(maxlen=_REMEMBERED)
        self._handled = 0

    def handle(self, message: CaptureMessage | Inspect) -> object:
        """See BaseActor."""
        if not isinstance(message, SilenceElapsed | Inspect):  # these do not come from the router
            self._handled += 1
        match message:
            case Subscribe():
                self._subscribe(message)
            case Unsubscribe():
                self._end_capture()
                self._offer_retirement_if_silent()
            case SpeakingStarted():
                self._suspension += 1
                self._set_speaking(speaking=True)
            case SpeakingEnded():
                self._set_speaking(speaking=False)
            case SpeechStarted(arming=arming):
                self._on_speech_started(arming)
            case SpeechEnded(arming=arming, segment=segment):
                self._on_speech_ended(arming, segment)
            case SilenceElapsed(arming=arming, suspension=suspension):
                if suspension == self._suspension:
                    self._on_speech_ended(arming, self._board.close(self._user_id, arming))
            case StreamSuspended():
                self._on_suspended()
            case MemberGone():
                self._on_member_gone()
            case CaptureRevived():
                self._on_revived(message)
            case ResetBaton():
                self._on_reset(message)
            case Inspect():
                return {"state": str(self._state), "speaking": str(self._speaking.current_state_value)}
            case _:
                assert_never(message)
        return None

    def will(self) -> CaptureWill:
        """See BaseActor."""
        capturing = self._state is CaptureState.CAPTURING
        return CaptureWill(subscription=self._capture, arming=self._arming, capturing=capturing)

    def let_go(self) -> None:
        """Withdraw what this actor armed: nobody is left who could tell its end.

        A retired actor has armed nothing, and must not touch what its heir may have armed already.
        """
        if self._capture is not None:
            self._board.withdraw(self._user_id)

    @property
    def _state(self) -> CaptureState:
        return CaptureState(self._machine.current_state_value)

    @property
    def _capture_id(self) -> CaptureId | None:
        return self._capture.capture_id if self._capture is not None else None

    def _subscribe(self, message: Subscribe) -> None:
        if message.capture_id is None and self._capture is not None and self._capture.capture_id is None:
            self._capture = message
            self._machine.updated()
            self._arm(self._arming)
            return
        self._end_capture()
        self._capture = message
        self._machine.subscribed()
        self._arm(self._board.next_arming())

    def _arm(self, arming: int) -> None:
        if self._capture is None:
            return
        self._arming = arming
        config = CaptureConfig(
            arming,
            self._capture.capture_id,
            self._capture.sample_rate_hz,
            self._capture.silence_duration_ms,
            self._capture.timeline,
            self._capture.pre_roll_ms,
            self._capture.min_speech_ms,
        )
        self._board.arm(self._user_id, config)

    def _on_revived(self, revival: CaptureRevived) -> None:
        """Arm what the predecessor had armed; an utterance that it was in has ended with it."""
        if revival.speaking and self._speaking.current_state_value == SpeakingState.SILENT:
            self._speaking.speaking_started()
        if revival.subscription is None:
            return
        self._capture, self._arming = revival.subscription, revival.arming
        self._machine.subscribed()
        if revival.capturing:
            self._machine.speech_started()
            self._on_speech_ended(self._arming, None)
        else:
            self._arm(self._board.next_arming())

    def _end_capture(self) -> None:
        """Withdraw the subscription; if audio has flowed, the end marker follows the last of it."""
        if self._capture is None:
            return
        segment = self._board.withdraw(self._user_id)
        ended = self._ended(self._capture, segment)
        if self._state is CaptureState.CAPTURING:
            self.report(ended)
        else:
            self._withdrawn.append((self._arming, ended))
        self._machine.unsubscribed()
        self._capture = None

    def _ended(self, capture: Subscribe, segment: Segment | None) -> CaptureEnded:
        return CaptureEnded(
            role=self._address.role,
            user_id=self._user_id,
            capture_id=capture.capture_id,
            segment=segment,
            timeline=capture.timeline,
        )

    def _on_speech_started(self, arming: int) -> None:
        if arming == self._arming and self._state is CaptureState.ARMED:
            self._machine.speech_started()
            return
        for entry in [entry for entry in self._withdrawn if entry[0] == arming]:
            # PCM went into it while the order to withdraw it was on its way: it has an end as well
            self._withdrawn.remove(entry)
            self.report(entry[1])

    def _on_speech_ended(self, arming: int, segment: Segment | None) -> None:
        """Finish a one-shot capture, or arm a persistent one anew. The pipeline writes nothing more into `arming`."""
        if arming != self._arming or self._state is not CaptureState.CAPTURING or self._capture is None:
            return
        self.report(self._ended(self._capture, segment))
        if self._capture.capture_id is not None:
            self._board.withdraw(self._user_id)
            self._capture = None
            self._machine.capture_finished()
        else:
            self._machine.utterance_ended()
            self._arm(self._board.next_arming())

    def _on_suspended(self) -> None:
        self._set_speaking(speaking=False)
        if self._state is CaptureState.CAPTURING and self._capture is not None:
            elapsed = SilenceElapsed(arming=self._arming, suspension=self._suspension)
            self.later(self._capture.silence_duration_ms * _MS, elapsed)

    def _on_member_gone(self) -> None:
        """End in the contract's order: speaking_end, user_audio_end, client_disconnect; the subscription goes too."""
        self._set_speaking(speaking=False)
        self._end_capture()
        self.report(MemberLeft(role=self._address.role, user_id=self._user_id))
        self._offer_retirement()

    def _on_reset(self, baton: ResetBaton) -> None:
        """One-shot captures end and go; a persistent one stays armed for the next connection."""
        if self._capture_id is not None:
            self._end_capture()
        elif self._state is CaptureState.CAPTURING:
            self._on_speech_ended(self._arming, self._board.close(self._user_id, self._arming))
        self._set_speaking(speaking=False)
        self._offer_retirement_if_silent()
        self.report(baton)

    def _offer_retirement_if_silent(self) -> None:
        if self._capture is None and self._speaking.current_state_value == SpeakingState.SILENT:
            self._offer_retirement()

    def _offer_retirement(self) -> None:
        self.report(CaptureIdle(role=self._address.role, user_id=self._user_id, handled=self._handled))

    def _set_speaking(self, *, speaking: bool) -> None:
        state = SpeakingState(self._speaking.current_state_value)
        if speaking and state is SpeakingState.SILENT:
            self._speaking.speaking_started()
        elif not speaking and state is SpeakingState.SPEAKING:
            self._speaking.speaking_ended()
        else:
            return
        self.report(
            SpeakingReported(
                role=self._address.role, user_id=self._user_id, capture_id=self._capture_id, speaking=speaking
            )
        )
