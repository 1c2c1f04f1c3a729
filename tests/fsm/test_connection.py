from clankvox.fsm.connection import ConnectionMachine, ConnectionState
from tests.support.tables import assert_exactly


def test_every_event_in_every_state():
    assert_exactly(
        ConnectionMachine,
        """
        joined: idle>awaiting_credentials closed>awaiting_credentials
        revived: idle>reconnecting
        replaced: awaiting_credentials>awaiting_credentials connecting>awaiting_credentials ready>awaiting_credentials dave_transition>awaiting_credentials reconnecting>awaiting_credentials
        credentials_completed: awaiting_credentials>connecting reconnecting>connecting
        retry_due: reconnecting>connecting
        session_ready: connecting>ready
        transition_prepared: ready>dave_transition
        transition_settled: dave_transition>ready
        connection_lost: connecting>reconnecting ready>reconnecting dave_transition>reconnecting
        session_resumed: reconnecting>ready
        resume_failed: reconnecting>reconnecting
        gave_up: connecting>closed ready>closed dave_transition>closed reconnecting>closed
        left: awaiting_credentials>idle connecting>idle ready>idle dave_transition>idle reconnecting>idle
        close: idle>closed awaiting_credentials>closed connecting>closed ready>closed dave_transition>closed reconnecting>closed closed>closed
        """,  # noqa: E501 - a table
    )


def test_a_connection_begins_idle():
    assert ConnectionMachine().current_state_value is ConnectionState.IDLE
