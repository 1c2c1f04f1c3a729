"""clankvox whose actors fail on demand, as a program: nothing of it is in the product.

`fail(...)` makes the command that does it: the actor that it names raises in the midst of its mail.
"""
# ruff: noqa: PLC0415 - as in the product, what is heavy is imported behind `process_ready`

import gc
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from clankvox import __main__ as clankvox

COMMAND = (sys.executable, str(Path(__file__).resolve()))
SECRET = "a-secret-that-an-error-quotes"
_MARK = "fail:"


class Bug(Exception):
    """What a failing actor raises."""


def fail(kind: str, role: str = "voice", user_id: str = "") -> dict[str, str]:
    """Return the command that lets the actor at this address fail."""
    return {"type": "stop_tts_playback", "playbackId": f"{_MARK}{kind}:{role}:{user_id}"}


def undermine() -> None:
    """Have the router hand on what a test orders, past all that waits, and everybody fail at it."""
    from clankvox.actors.base import BaseActor
    from clankvox.actors.router import RouterActor
    from clankvox.ids import ROUTER, ActorKind, Address, Role, UserId
    from clankvox.ipc.commands import StopTtsPlayback
    from clankvox.messages.common import Message
    from clankvox.messages.router import CommandReceived

    class Fail(Message, frozen=True, kw_only=True):
        """Fail now."""

    handle, receive = RouterActor.handle, BaseActor.on_receive

    def obey(router: Any, message: object) -> object:
        match message:
            case CommandReceived(command=StopTtsPlayback(playback_id=str() as order)) if order.startswith(_MARK):
                kind, role, user_id = order.removeprefix(_MARK).split(":")
                router._boundary.release()
                if kind == ROUTER.kind:
                    raise Bug(SECRET)
                address = Address(ActorKind(kind), Role(role), UserId(int(user_id)) if user_id else None)
                router._registry.deliver(address, Fail())
                return None
        return handle(router, message)

    def fail_or_receive(actor: Any, message: Any) -> object:
        if isinstance(message, Fail):
            actor._cause = message
            raise Bug(SECRET)
        return receive(actor, message)

    RouterActor.handle = obey
    BaseActor.on_receive = fail_or_receive


def main() -> int:
    """Be clankvox: what is heavy is imported behind `process_ready`."""

    def disable() -> None:
        gc.disable()
        undermine()

    clankvox.gc = SimpleNamespace(disable=disable)
    return clankvox.main()


if __name__ == "__main__":
    sys.exit(main())
