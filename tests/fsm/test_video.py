from clankvox.fsm.video import VideoMachine
from tests.support.tables import assert_exactly


def test_every_event_in_every_state():
    assert_exactly(
        VideoMachine,
        """
        link_ready: unlinked>listening listening>listening watching>listening
        streams_wanted: listening>watching
        nothing_wanted: watching>listening
        link_lost: unlinked>unlinked listening>unlinked watching>unlinked
        """,
    )
