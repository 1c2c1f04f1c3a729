from clankvox.fsm.capture import CaptureMachine, SpeakingMachine
from tests.support.tables import assert_exactly


def test_every_event_of_a_capture_in_every_state():
    assert_exactly(
        CaptureMachine,
        """
        subscribed: idle>armed
        updated: armed>armed capturing>capturing
        speech_started: armed>capturing
        utterance_ended: capturing>armed
        capture_finished: capturing>idle
        unsubscribed: armed>idle capturing>idle
        """,
    )


def test_every_event_of_speaking_in_every_state():
    assert_exactly(SpeakingMachine, "speaking_started: silent>speaking\nspeaking_ended: speaking>silent")
