"""The pacer's second list: packets of pictures in sub-slots of 2 ms, at most eight of them in each.

A picture's packets are spread over the time until the next one, because a burst overruns the receiver's
socket buffer and the queues on the way. Whatever is late, eight packets a sub-slot are never exceeded.
"""

import math
from collections import deque
from collections.abc import Sequence
from typing import Final

from clankvox.ids import Ssrc
from clankvox.ports import PreparedPacket

SUB_SLOT_S: Final = 0.002
PACKETS_A_SUB_SLOT: Final = 8
LONGEST_BACKLOG_S: Final = 3.0
"""What would leave later than this is refused; whoever queues it counts it."""


class _Group:
    """The packets of one picture, and when each sub-slot's share of them is due."""

    __slots__ = ("_chunk", "_start_s", "_step_s", "next", "packets")

    def __init__(self, packets: Sequence[PreparedPacket], start_s: float, spread_s: float) -> None:
        self.packets = tuple(packets)
        self.next = 0
        count = len(self.packets)
        sub_slots = max(1, int(spread_s / SUB_SLOT_S))
        self._chunk = min(PACKETS_A_SUB_SLOT, -(-count // sub_slots))
        self._step_s = max(SUB_SLOT_S, spread_s * self._chunk / count)
        self._start_s = start_s

    @property
    def due_s(self) -> float:
        """Instant at which the next packet may leave."""
        return self._start_s + self.next // self._chunk * self._step_s

    @property
    def end_s(self) -> float:
        """Instant at which the next picture may begin."""
        return self._start_s + -(-len(self.packets) // self._chunk) * self._step_s


class VideoLane:
    """Queues of groups, one an SSRC. Not thread-safe: the pacer calls it under its lock."""

    def __init__(self) -> None:
        self._groups: dict[Ssrc, deque[_Group]] = {}
        self._free_from_s = -math.inf

    def queue(self, ssrc: Ssrc, packets: Sequence[PreparedPacket], spread_s: float, now: float) -> bool:
        """Append the packets of one picture; False if they would leave later than LONGEST_BACKLOG_S from now."""
        if not packets:
            return True
        groups = self._groups.setdefault(ssrc, deque())
        group = _Group(packets, max(now, groups[-1].end_s if groups else now), spread_s)
        if group.end_s > now + LONGEST_BACKLOG_S:
            if not groups:
                del self._groups[ssrc]
            return False
        groups.append(group)
        return True

    def due_s(self) -> float:
        """Instant of the next sub-slot that has something to send; infinity if there is none."""
        if not self._groups:
            return math.inf
        head_s = min(groups[0].due_s for groups in self._groups.values())
        return max(head_s, self._free_from_s)

    def take(self, now: float) -> list[PreparedPacket]:
        """Take what is due at `now`, most urgent first, at most a sub-slot's worth; the next follows 2 ms later."""
        taken: list[PreparedPacket] = []
        while len(taken) < PACKETS_A_SUB_SLOT and self._groups:
            ssrc, groups = min(self._groups.items(), key=lambda item: item[1][0].due_s)
            group = groups[0]
            if group.due_s > now:
                break
            taken.append(group.packets[group.next])
            group.next += 1
            if group.next == len(group.packets):
                groups.popleft()
                if not groups:
                    del self._groups[ssrc]
        self._free_from_s = now + SUB_SLOT_S
        return taken

    def clear(self, ssrc: Ssrc) -> list[PreparedPacket]:
        """Remove the pictures of `ssrc` of which nothing has left; returns their packets in order."""
        groups = self._groups.pop(ssrc, deque())
        if groups and groups[0].next:
            self._groups[ssrc] = deque([groups.popleft()])
        return [packet for group in groups for packet in group.packets]

    def drop(self, ssrc: Ssrc) -> list[PreparedPacket]:
        """Remove all that waits for `ssrc`, the rest of a picture too; returns it in order."""
        return [packet for group in self._groups.pop(ssrc, ()) for packet in group.packets[group.next :]]

    def backlog_s(self, ssrc: Ssrc, now: float) -> float:
        """How long what waits for `ssrc` needs to leave."""
        groups = self._groups.get(ssrc)
        return max(0.0, groups[-1].end_s - now) if groups else 0.0

    @property
    def waiting(self) -> int:
        """Packets that wait."""
        return sum(len(group.packets) - group.next for groups in self._groups.values() for group in groups)
