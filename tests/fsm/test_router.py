from clankvox.fsm.router import RouterMachine
from tests.support.tables import assert_exactly


def test_every_event_in_every_state():
    assert_exactly(
        RouterMachine,
        """
        command_forwarded: serving>settling
        command_settled: settling>serving
        stop_requested: serving>stopping settling>stopping
        ended: stopping>ended
        """,
    )
