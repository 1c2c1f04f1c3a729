from clankvox.fsm.publish import PublishMachine
from tests.support.tables import assert_exactly


def test_every_event_in_every_state():
    assert_exactly(
        PublishMachine,
        """
        source_started: idle>playing playing>playing paused>playing
        source_queued: idle>waiting waiting>waiting paused_waiting>waiting
        path_opened: idle>idle waiting>playing playing>playing paused>paused paused_waiting>paused
        path_closed: idle>idle waiting>waiting playing>waiting paused>paused_waiting paused_waiting>paused_waiting
        paused: playing>paused waiting>paused_waiting
        resumed: paused>playing paused_waiting>waiting
        source_ended: playing>idle paused>idle waiting>idle paused_waiting>idle
        source_failed: playing>idle paused>idle waiting>idle paused_waiting>idle
        stopped: idle>idle playing>idle paused>idle waiting>idle paused_waiting>idle
        """,
    )
