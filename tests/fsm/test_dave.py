from clankvox.fsm.dave import DaveMachine, DaveState
from tests.support.tables import assert_exactly


def test_every_event_in_every_state():
    assert_exactly(
        DaveMachine,
        """
        version_negotiated: inactive>negotiating negotiating>negotiating
        clear_negotiated: inactive>disabled negotiating>disabled
        found_alone: negotiating>alone rekeying>alone
        group_established: negotiating>established alone>established rekeying>established established>established switching>established
        transition_announced: negotiating>switching alone>switching rekeying>switching established>switching switching>switching
        transition_executed: switching>established
        downgrade_executed: negotiating>disabled alone>disabled rekeying>disabled established>disabled switching>disabled disabled>disabled
        upgrade_announced: disabled>negotiating
        member_joined: alone>rekeying
        group_reset: established>rekeying switching>rekeying rekeying>rekeying negotiating>negotiating alone>alone
        patience_ended: rekeying>negotiating
        connection_lost: inactive>inactive disabled>negotiating negotiating>negotiating alone>negotiating rekeying>negotiating established>negotiating switching>negotiating
        session_closed: inactive>inactive disabled>inactive negotiating>inactive alone>inactive rekeying>inactive established>inactive switching>inactive
        """,  # noqa: E501 - a table
    )


def test_encryption_begins_inactive():
    assert DaveMachine().current_state_value is DaveState.INACTIVE
