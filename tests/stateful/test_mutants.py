"""Bugs that were put into guards and gates on purpose: the suites must find every one of them.

A mutant that survives says that a promise is not watched, or that the drawn orders never come by it.
"""

import pytest
from hypothesis import Phase, settings
from hypothesis.errors import HypothesisException

from clankvox.actors import dave
from clankvox.actors.capture import CaptureActor
from clankvox.actors.dave import DaveActor
from clankvox.actors.desired_media import CaptureWish, MusicWish, PlaybackWish
from clankvox.actors.music import MusicActor
from clankvox.actors.playback import PlaybackActor
from clankvox.actors.video import VideoActor
from clankvox.actors.voice import VoiceActor
from clankvox.fsm.dave import DaveState
from clankvox.media.frame_cipher import FrameCipher, Gate
from clankvox.messages.router import MusicReplaced, SpeakingReported
from tests.stateful.test_call import Capture, Connection, DaveChurn, Tts
from tests.stateful.test_system import FailingCaptures, FailingSound, MusicOrders, PicturesSeen
from tests.support.call_machine import profile

EXAMPLES = 150
"""At most; most mutants die within a few."""


def clear_gate_while_negotiating(patch):
    patch.setitem(dave.GATE_OF, DaveState.NEGOTIATING, Gate.CLEAR)


def clear_gate_while_rekeying(patch):
    patch.setitem(dave.GATE_OF, DaveState.REKEYING, Gate.CLEAR)


def gate_is_not_closed_with_the_group(patch):
    patch.setattr(DaveActor, "_on_suspended", lambda _self: None)


def packets_leave_in_clear(patch):
    def seal_opus(self, frame):
        return None if self._gate is Gate.CLOSED else frame

    patch.setattr(FrameCipher, "seal_opus", seal_opus)


def failed_ids_are_forgotten(patch):
    def bury(self, playback_id):
        original(self, playback_id)
        self._failed_ids.clear()

    original = PlaybackActor._bury
    patch.setattr(PlaybackActor, "_bury", bury)


def a_stop_is_told_twice(patch):
    def end_speech(self, reason):
        if self._playback_id is not None:
            self._tell_tts("stopped", reason)
        original(self, reason)

    original = PlaybackActor._end_speech
    patch.setattr(PlaybackActor, "_end_speech", end_speech)


def speaking_is_told_again(patch):
    def set_speaking(self, *, speaking):
        role, user = self._address.role, self._user_id
        self.report(SpeakingReported(role=role, user_id=user, capture_id=None, speaking=speaking))

    patch.setattr(CaptureActor, "_set_speaking", set_speaking)


def a_piece_that_is_replaced_ends_twice(patch):
    def replace(self):
        piece = self._piece
        original(self)
        if piece is not None:
            self.report(MusicReplaced(music_id=piece.music_id, played_ms=0))

    original = MusicActor._replace
    patch.setattr(MusicActor, "_replace", replace)


def a_lost_link_is_not_told(patch):
    patch.setattr(VoiceActor, "_suspend", lambda self, _reason: self._machine.connection_lost())


def nothing_is_asked_anew_on_another_link(patch):
    def on_link_lost(self):
        self._machine.link_lost()

    patch.setattr(VideoActor, "_on_link_lost", on_link_lost)


def an_heir_ends_a_capture_that_goes_on(patch):
    patch.setattr(CaptureWish, "_has_flowed", lambda _self, _will: False)


def an_heir_does_not_know_what_is_said(patch):
    patch.setattr(PlaybackWish, "_open_ids", lambda _self: [])


def an_heir_plays_a_piece_that_is_over(patch):
    patch.setattr(MusicWish, "_forget", lambda _self: None)


MUTANTS = {
    clear_gate_while_negotiating: DaveChurn,
    clear_gate_while_rekeying: DaveChurn,
    gate_is_not_closed_with_the_group: DaveChurn,
    packets_leave_in_clear: Tts,
    a_lost_link_is_not_told: Connection,
    failed_ids_are_forgotten: Tts,
    a_stop_is_told_twice: Tts,
    speaking_is_told_again: Capture,
    a_piece_that_is_replaced_ends_twice: MusicOrders,
    nothing_is_asked_anew_on_another_link: PicturesSeen,
    an_heir_ends_a_capture_that_goes_on: FailingCaptures,
    an_heir_does_not_know_what_is_said: FailingSound,
    an_heir_plays_a_piece_that_is_over: FailingSound,
}
"""Each with the suite that must find it."""


@pytest.mark.parametrize(("mutant", "suite"), MUTANTS.items(), ids=lambda value: value.__name__)
def test_a_seeded_bug_is_found(monkeypatch, mutant, suite):
    mutant(monkeypatch)
    case = suite.TestCase
    case.settings = settings(profile(EXAMPLES), phases=[Phase.generate], database=None, print_blob=False)
    with pytest.raises(Exception) as found:
        case("runTest").runTest()
    assert not isinstance(found.value, HypothesisException), found.value
