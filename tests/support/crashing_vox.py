"""clankvox whose actors fail on demand, as a program: nothing of it is in the product.

`fail(...)` makes the command that does it. The actor that it names raises in the midst of its mail, once; or, with
`on`, in the midst of the next message of that type.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from clankvox import __main__ as clankvox
from clankvox.actors.base import BaseActor
from clankvox.actors.router import RouterActor
from clankvox.ids import ROUTER, ActorKind, Address, Role, UserId
from clankvox.ipc.commands import StopTtsPlayback
from clankvox.messages.common import Message
from clankvox.messages.router import CommandReceived

COMMAND = (sys.executable, str(Path(__file__).resolve()))
_MARK = "fail:"
_ARMED = "_fails_on"
SECRET = "a-secret-that-an-error-quotes"


class Bug(Exception):
    """What a failing actor raises."""


class Fail(Message, frozen=True, kw_only=True):
    """Fail now, or `on` the next message of that type."""

    on: str = ""


def fail(kind: str, role: str = "voice", user_id: str = "", on: str = "") -> dict[str, str]:
    """Return the command that lets the actor at this address fail."""
    return {"type": "stop_tts_playback", "playbackId": f"{_MARK}{kind}:{role}:{user_id}:{on}"}


def _address(kind: str, role: str, user_id: str) -> Address:
    if kind == ROUTER.kind:
        return ROUTER
    return Address(ActorKind(kind), Role(role), UserId(int(user_id)) if user_id else None)


def _obeying(handle: Callable[[RouterActor, Any], object]) -> Callable[[RouterActor, Any], object]:
    """Have the router hand on what a test orders, past all that waits."""

    def obey(router: RouterActor, message: object) -> object:
        match message:
            case CommandReceived(command=StopTtsPlayback(playback_id=str() as order)) if order.startswith(_MARK):
                *where, on = order.removeprefix(_MARK).split(":")
                router._boundary.release()
                address = _address(*where)
                if address == ROUTER:
                    raise Bug(SECRET)
                router._registry.deliver(address, Fail(on=on))
                return None
        return handle(router, message)

    return obey


def _failing(receive: Callable[[BaseActor, Any], object]) -> Callable[[BaseActor, Any], object]:
    def fail_or_receive(actor: BaseActor, message: object) -> object:
        if isinstance(message, Fail) and message.on:
            setattr(actor, _ARMED, message.on)
            return None
        if isinstance(message, Fail) or type(message).__name__ == getattr(actor, _ARMED, None):
            setattr(actor, _ARMED, None)
            actor._cause = message
            raise Bug(SECRET)
        return receive(actor, message)

    return fail_or_receive


if __name__ == "__main__":
    RouterActor.handle = _obeying(RouterActor.handle)
    BaseActor.on_receive = _failing(BaseActor.on_receive)
    sys.exit(clankvox.main())
