from clankvox.fsm.router import RouterMachine
from tests.support.tables import assert_exactly


def test_every_event_in_every_state():
    assert_exactly(
        RouterMachine,
        """
        connection_command_forwarded: serving>settling
        connection_settled: settling>serving
        stop_requested: serving>stopping settling>stopping
        """,
    )
