"""With whose keys a member seals: of whom it may be expected that he opens it, and how much was sealed without him."""

from collections import Counter, deque
from collections.abc import Iterable

from clankvox.ids import UserId
from clankvox.loopback.member import Library
from clankvox.wire.gateway_ops import ExecuteTransition, Op, Payload, PrepareTransition

_ENTERS = (Op.MLS_ANNOUNCE_COMMIT, Op.MLS_WELCOME)
_KEPT = 8


class SealingGroup:
    """Follows what one member is told, in its order. The event loop owns it.

    davey seals with the key of a commit or Welcome as soon as it has it, libdave from the transition's execution on
    (op 22, or at once for transition 0).
    """

    def __init__(self, library: Library, without: Counter[UserId]) -> None:
        """Begin outside of any group; `without` counts frames by those who get them and were not in it."""
        self.members: frozenset[UserId] = frozenset()
        """Who was in the group when the key was made that is sealed with now."""
        self._without = without
        self._at_once = library == "davey"
        self._prepared: deque[tuple[int, frozenset[UserId]]] = deque(maxlen=_KEPT)

    def note(self, op: Op, payload: bytes | Payload, members: frozenset[UserId]) -> None:
        """Take a message of the gateway to the member; `members` knew the group when it was sent."""
        match payload:
            case bytes() if op in _ENTERS:
                transition = int.from_bytes(payload[:2], "big")
                if self._at_once or transition == 0:
                    self.members = members
                else:
                    self._prepared.append((transition, members))
            case ExecuteTransition(transition_id=transition) | PrepareTransition(transition_id=0 as transition):
                for prepared, known in self._prepared:
                    if prepared == transition:
                        self.members = known

    def count(self, members: frozenset[UserId], receivers: Iterable[UserId]) -> None:
        """Count a frame that was sealed for `members` and goes to `receivers`."""
        self._without.update(user_id for user_id in receivers if user_id not in members)
