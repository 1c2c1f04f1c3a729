import pytest

from clankvox.actors.reset import baton_of
from clankvox.ids import (
    MUSIC,
    PLAYBACK,
    PUBLISH,
    Role,
    UserId,
    capture_address,
    connection_address,
    dave_address,
    video_address,
)
from clankvox.messages.router import ResetRequested

SENDERS = {Role.VOICE: (PLAYBACK, MUSIC), Role.STREAM_WATCH: (), Role.STREAM_PUBLISH: (PUBLISH,)}


@pytest.mark.parametrize("role", Role)
def test_whoever_sends_is_first_and_the_connection_is_last(role):
    captures = [capture_address(UserId(42), role)]
    baton = baton_of(ResetRequested(ticket=7, role=role, reason="left", connection_id=None), captures)
    assert baton.route == (
        *SENDERS[role],
        dave_address(role),
        video_address(role),
        *captures,
        connection_address(role),
    )
    assert (baton.ticket, baton.role, baton.reason, baton.connection_id) == (7, role, "left", None)
