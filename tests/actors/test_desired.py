"""Mail of the dead, and what is forgotten; what each kind of actor goes on with is in test_desired_call and _media."""

from clankvox.actors.desired import Desired
from clankvox.ids import MUSIC, PLAYBACK, UserId, capture_address
from clankvox.messages.capture import SpeakingEnded, SpeakingStarted
from clankvox.messages.common import ActorFailed
from clankvox.messages.music import QuietReached
from clankvox.messages.playback import AwaitQuiet, FinishTts, PathSuspended, SlotServed, StopTts
from clankvox.messages.router import TtsReported
from tests.support.factory import Call

USER = capture_address(UserId(42))


def mail(revival):
    return [envelope.message for envelope in revival]


def test_unread_mail_is_handed_down_in_order_behind_the_state():
    failure = ActorFailed(address=USER, error="Bug", unread=(SpeakingStarted(),))
    revival = Desired().revival(failure, late=(SpeakingEnded(),))
    assert mail(revival)[1:] == [SpeakingStarted(), SpeakingEnded()]
    assert {envelope.to for envelope in revival} == {USER}


def test_mail_that_is_part_of_the_state_is_not_handed_down_twice():
    desired = Desired()
    for message in (PathSuspended(), AwaitQuiet(track=1)):
        desired.ordered(PLAYBACK, message)
    unread = (PathSuspended(), AwaitQuiet(track=1), SlotServed(path=1, report=None), FinishTts(playback_id="p"))
    handed = mail(desired.revival(ActorFailed(address=PLAYBACK, error="Bug", unread=unread), late=()))
    assert [message for message in handed if message in unread] == [unread[0], unread[1], unread[3]]


def test_what_playback_answers_music_is_not_asked_again():
    desired = Desired()
    desired.ordered(PLAYBACK, AwaitQuiet(track=1))
    desired.ordered(MUSIC, QuietReached(track=1))
    assert AwaitQuiet(track=1) not in mail(desired.revival(ActorFailed(address=PLAYBACK, error="Bug"), late=()))


def test_last_words_are_said_once():
    desired = Desired()
    desired.ordered(PLAYBACK, StopTts(playback_id="p"))
    desired.reported(TtsReported(playback_id="p1", status="buffered"))
    failure = ActorFailed(address=PLAYBACK, error="Bug")
    (said,) = desired.last_words(failure)
    assert (said.playback_id, said.status, said.reason) == ("p1", "failed", "internal_error")
    assert desired.last_words(failure) == []


def test_what_nobody_needs_any_more_is_forgotten():
    desired = Desired()
    desired.ordered(USER, SpeakingStarted())
    desired.forget(USER)
    desired.forget(USER)
    assert desired._wishes == {}


def test_a_retired_capture_leaves_nothing_behind():
    call = Call().connect()
    call.line(type="subscribe_user", userId="42", captureId="k1")
    call.line(type="unsubscribe_user", userId="42")
    call.drain()
    assert USER not in call.router._desired._wishes
