"""What each actor is there for, kept by the router: its state as the parent and its peers ordered it.

Fed with the orders that are delivered and the reports that come back, it knows what an heir must be told so that it
goes on where its predecessor failed, and what the parent must be told if nobody goes on. Pure; router's thread.
"""

from typing import Final

from clankvox.actors.desired_call import ConnectionWish, DaveWish, VideoWish
from clankvox.actors.desired_media import CaptureWish, MusicWish, PlaybackWish, PublishWish
from clankvox.actors.wish import Wish
from clankvox.ids import MUSIC, PLAYBACK, ActorKind, Address, ConnectionId
from clankvox.messages.common import ActorFailed, Envelope, Message, ResetBaton
from clankvox.messages.router import Report

_KINDS: Final[dict[ActorKind, type[Wish]]] = {
    ActorKind.CONNECTION: ConnectionWish,
    ActorKind.DAVE: DaveWish,
    ActorKind.CAPTURE: CaptureWish,
    ActorKind.PLAYBACK: PlaybackWish,
    ActorKind.MUSIC: MusicWish,
    ActorKind.PUBLISH: PublishWish,
    ActorKind.VIDEO: VideoWish,
}


class Desired:
    """The wishes of all addresses that ever got an order."""

    def __init__(self) -> None:
        self._wishes: dict[Address, Wish] = {}

    def ordered(self, to: Address, message: Message) -> None:
        """Take note of a message that is delivered."""
        self._wish(to).ordered(message)
        speech = self._wishes.get(PLAYBACK)
        if to == MUSIC and isinstance(speech, PlaybackWish):
            speech.answered(message)

    def settled(self, to: Address) -> None:
        """Take note that the order of the parent that was under way at `to` has taken effect."""
        self._wish(to).settled()

    def reported(self, report: Message) -> None:
        """Take note of what was reported."""
        for wish in self._wishes.values():
            wish.reported(report)

    def revival(self, failure: ActorFailed, late: tuple[Message, ...]) -> list[Envelope]:
        """Return what to tell the heir and its peers: its state first, then the mail that its predecessor had not read.

        `late` is mail that was delivered after its predecessor's end.
        """
        wish = self._wish(failure.address)
        carried = [failure.cause] if isinstance(failure.cause, ResetBaton) else []
        mail = [message for message in (*carried, *failure.unread, *late) if not wish.covers(message)]
        return [*wish.revival(failure), *wish.to_heir(*mail)]

    def call_asked_for(self, address: Address) -> ConnectionId | None:
        """Return the name of the call that is asked for at `address` and that has not begun yet."""
        return self._wish(address).call

    def last_words(self, failure: ActorFailed) -> list[Report]:
        """Return what to tell the parent if nobody goes on; all that was wished for is forgotten."""
        wish = self._wish(failure.address)
        del self._wishes[failure.address]
        return wish.last_words(failure)

    def forget(self, address: Address) -> None:
        """Take note that the actor at `address` is not needed any more."""
        self._wishes.pop(address, None)

    def _wish(self, address: Address) -> Wish:
        wish = self._wishes.get(address)
        if wish is None:
            wish = self._wishes[address] = _KINDS[address.kind](address)
        return wish
