"""The round that a reset makes: who must be done with a connection before its sockets close. Pure; router's thread."""

from collections.abc import Iterable
from typing import Final

from clankvox.ids import MUSIC, PLAYBACK, PUBLISH, Address, Role, connection_address, dave_address, video_address
from clankvox.messages.common import ResetBaton
from clankvox.messages.router import ResetRequested

_SENDERS: Final = {Role.VOICE: (PLAYBACK, MUSIC), Role.STREAM_WATCH: (), Role.STREAM_PUBLISH: (PUBLISH,)}
"""Who sends on a role's connection: first of all they fall silent, while there is a key for their silence."""


def baton_of(request: ResetRequested, captures: Iterable[Address]) -> ResetBaton:
    """Return the baton for `request`; `captures` are the addresses of the role's capture actors."""
    role = request.role
    others = (*_SENDERS[role], dave_address(role), video_address(role), *captures)
    return ResetBaton(
        ticket=request.ticket,
        role=role,
        reason=request.reason,
        connection_id=request.connection_id,
        route=(*others, connection_address(role)),
    )
