from clankvox.fsm.transmission import TransmissionMachine
from tests.support.tables import assert_exactly


def test_every_event_in_every_state():
    assert_exactly(
        TransmissionMachine,
        """
        path_opened: closed>resting suspended>resting resting>resting
        path_suspended: resting>suspended suspended>suspended
        path_closed: resting>closed suspended>closed closed>closed
        talkspurt_begun: resting>ticking
        talkspurt_ended: ticking>resting
        """,
    )
