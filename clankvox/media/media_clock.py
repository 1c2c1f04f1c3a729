"""When a user's sound was made, on one timeline for the whole process.

The timeline counts 48 kHz ticks of the process's own monotonic clock, so two speakers are compared without any
clock of theirs. A sender's RTP time tells how its frames follow each other within a talkspurt (RFC 3550 section
5.1); where in real time the talkspurt stands only arrivals tell, and what a sender does to its timestamps over a
pause is its own affair. Many let them run on: where RTP time and real time agree over a pause the clock goes on, so
that the jitter of a talkspurt's first packet does not matter. Else it is anchored anew to the arrival. Either way it
then follows the least delayed packets: they are what jitter leaves of the truth, and by them a sender's clock is seen
to run fast or slow.
"""

from collections import deque
from typing import Final

from clankvox.media.clock_skew import ClockSkew, Point
from clankvox.media.opus_packet import TICKS_PER_MS
from clankvox.wire.rtp import OPUS_CLOCK_HZ
from clankvox.wire.seq import timestamp_delta

_PAUSE_TICKS: Final = 250 * TICKS_PER_MS
"""So far off, RTP time and arrival cannot belong to one talkspurt; the jitter estimate draws the same line."""
_QUIET_PAUSE_TICKS: Final = 80 * TICKS_PER_MS
"""After a silence frame a shorter gap is enough: senders end a talkspurt with five of them."""
_LONGEST_TALK_GAP_TICKS: Final = 1_000 * TICKS_PER_MS
_LONGEST_PAUSE_TICKS: Final = 1_800_000 * TICKS_PER_MS
"""Over a longer one not even a clock whose skew is known says more than an arrival."""
_EARLIEST_TICKS: Final = 50 * TICKS_PER_MS
_LATEST_TICKS: Final = 100 * TICKS_PER_MS
"""A packet behind a pause that is off by no more shows that RTP time ran on."""
_WINDOW_TICKS: Final = 1_000 * TICKS_PER_MS
"""Of so much speech the least delayed packet is remembered."""
_WINDOWS_FOLLOWED: Final = 8
"""So many of them tell the time; when all are later than the ones before, the network's path has become longer."""
_LONGEST_DELAY_TICKS: Final = 60 * TICKS_PER_MS
_JUMP_TICKS: Final = 8 * TICKS_PER_MS
"""So far from where it was over a pause, RTP time only nearly ran on: some senders count pauses in whole frames."""
_JUMPS_REMEMBERED: Final = 20
"""After a jump the skew is not measured across so many pauses."""
_NEAR_TICKS: Final = TICKS_PER_MS // 2
"""Nobody hears so little, and PCM that is placed by its time is not torn for it."""
_SETTLING_PACKETS: Final = 20
_FEWEST_PACKETS: Final = 10
"""Of a shorter talkspurt so many have to do."""
_SETTLING_SLEW: Final = 0.25
_SLEW: Final = 0.05
"""A correction shortens or stretches the step from frame to frame by no more, so that time never runs back."""
_DELAY_FOLLOW: Final = 0.1
_MOST_DELAY_LEAK: Final = 0.998


class MediaClock:
    """One user's clock. Not thread-safe; a few microseconds of arithmetic a frame.

    `_sent` is RTP time without wraps since the anchor, and an offset what is to be added to it to get our time.
    """

    __slots__ = (
        "_arrival",
        "_end",
        "_jump_ticks",
        "_least",
        "_most_delay",
        "_offset",
        "_packets",
        "_quiet",
        "_recent",
        "_resumed",
        "_resumed_least",
        "_sent",
        "_skew",
        "_suspect",
        "_timestamp",
        "_usual_delay",
        "_window",
        "_window_least",
    )

    def __init__(self) -> None:
        self._skew = ClockSkew()
        """Kept over pauses and anchors, as are the delays."""
        self._usual_delay = 0.0
        self._most_delay = 0.0
        self._packets = 0
        """Since the anchor; 0 before the first."""
        self._sent = 0
        self._timestamp = 0
        self._offset = 0.0
        """By which frames are stamped; follows `_least` by small steps."""
        self._least = 0.0
        """Of the offsets that packets showed lately."""
        self._resumed = 0
        """Packets since RTP time ran on through a pause; 0 if they have shown whether it did so exactly."""
        self._resumed_least = 0.0
        self._jump_ticks = 0.0
        self._suspect = 0
        """Pauses left over which RTP time is not taken for exact."""
        self._window = 0
        self._window_least: Point | None = None
        self._recent: deque[Point] = deque(maxlen=_WINDOWS_FOLLOWED)
        self._end = 0.0
        self._arrival = 0.0
        self._quiet = False

    @property
    def skew(self) -> float:
        """By what fraction the sender's clock is slow."""
        return self._skew.value

    def stamp(self, timestamp: int, arrival: float, duration_ticks: int, *, quiet: bool, begins: bool) -> int:
        """Return where a frame begins, in ticks; call once a frame, in the order of sending.

        `arrival` in seconds of the clock; a packet is sent when its last sample is there, hence the duration counts
        off. `quiet` says that it is a silence frame, `begins` that nothing before it is comparable.
        """
        made = arrival * OPUS_CLOCK_HZ - duration_ticks
        step = timestamp_delta(timestamp, self._timestamp)
        if not self._packets or begins:
            self._anchor(made)
        elif not self._paused(made, step):
            self._go_on(made, step, duration_ticks)
        elif self._ran_on(made, step):
            self._resume(made, step)
        else:
            self._anchor(made)
        self._timestamp = timestamp
        start = self._sent + self._offset
        self._end = start + duration_ticks
        self._arrival, self._quiet = made, quiet
        return round(start)

    def _anchor(self, made: float) -> None:
        """Begin anew where the arrival says, less the delay that this user's packets usually have."""
        self._begin_stretch()
        self._sent = self._packets = self._resumed = 0
        self._offset = max(made - self._usual_delay, self._end)
        self._least = made
        self._take_note(made, 0)

    def _go_on(self, made: float, step: int, duration_ticks: int) -> None:
        self._advance(step)
        delay = made - self._sent - self._least
        if delay < 0.0:
            delay = 0.0
        elif delay > _LONGEST_DELAY_TICKS:
            delay = _LONGEST_DELAY_TICKS
        self._usual_delay += _DELAY_FOLLOW * duration_ticks / _WINDOW_TICKS * (delay - self._usual_delay)
        most_delay = self._most_delay * _MOST_DELAY_LEAK
        self._most_delay = max(most_delay, delay)
        if self._resumed:
            self._look_for_jump(made - self._sent)
        self._take_note(made, duration_ticks)
        missing = self._wanted - self._offset
        if not -_NEAR_TICKS <= missing <= _NEAR_TICKS:
            most = step * (_SETTLING_SLEW if self._packets <= _SETTLING_PACKETS else _SLEW)
            self._offset += min(max(missing, -most), most)

    def _resume(self, made: float, step: int) -> None:
        """Go on behind a pause through which RTP time ran on; nothing is heard that a correction could tear."""
        if self._resumed >= _FEWEST_PACKETS:
            self._conclude()
        doubt = self._skew.doubt * step
        wanted = self._wanted + self._skew.value * step
        self._advance(step)
        seen = made - self._sent
        if self._suspect:
            self._suspect -= 1
            self._begin_stretch()
        if doubt > self._usual_delay:  # the arrival knows better
            wanted = seen - self._usual_delay
            self._least, self._packets, self._resumed = seen, 0, 0
        else:
            self._resumed, self._resumed_least = 0, seen
            self._jump_ticks = _JUMP_TICKS + 2.0 * doubt
            self._look_for_jump(seen)
        self._offset = max(min(max(wanted, seen - self._most_delay), seen), self._end - self._sent)
        self._take_note(made, 0)

    def _look_for_jump(self, seen: float) -> None:
        """See whether the offset behind a pause is another one than before it; then what was before is forgotten."""
        self._resumed_least = min(self._resumed_least, seen)
        self._resumed += 1
        if self._resumed > _SETTLING_PACKETS or self._resumed_least < self._least - self._jump_ticks:
            self._conclude()

    def _conclude(self) -> None:
        if abs(self._resumed_least - self._least) > self._jump_ticks:
            self._suspect = _JUMPS_REMEMBERED
            self._skew.forget()
            self._begin_stretch()
            self._least = self._resumed_least
            self._packets = self._resumed
        self._resumed = 0

    def _begin_stretch(self) -> None:
        self._skew.begin()
        self._window, self._window_least = 0, None
        self._recent.clear()

    def _advance(self, step: int) -> None:
        """Let the sender's time pass; what was seen long ago is in doubt, and yields to what is seen now."""
        skew = self._skew
        self._sent += step
        self._offset += skew.value * step
        self._least += (skew.value + skew.doubt) * step

    @property
    def _wanted(self) -> float:
        """What the offset should be: of n delays the least is expected to be 2 / (n + 1) of the usual one."""
        return self._least - 2.0 * self._usual_delay / (self._packets + 1)

    def _take_note(self, made: float, duration_ticks: int) -> None:
        sent = self._sent
        offset = made - sent
        self._packets += 1
        self._least = min(self._least, offset)
        least = self._window_least
        if least is None or offset <= least.offset + self._skew.value * (sent - least.sent):
            least = self._window_least = Point(sent, offset)
        self._window += duration_ticks
        if self._window >= _WINDOW_TICKS:
            self._skew.add(least)
            self._recent.append(least)
            self._window, self._window_least = 0, None
            rise = self._skew.value + self._skew.doubt
            self._least = min(point.offset + rise * (self._sent - point.sent) for point in self._recent)

    def _paused(self, made: float, step: int) -> bool:
        waited = made - self._arrival
        if step <= 0 or step > _LONGEST_TALK_GAP_TICKS or waited > _LONGEST_TALK_GAP_TICKS:
            return True
        if self._quiet and waited > _QUIET_PAUSE_TICKS:
            return True
        return not -_PAUSE_TICKS <= made - self._sent - self._offset - step <= _PAUSE_TICKS

    def _ran_on(self, made: float, step: int) -> bool:
        """Whether the sender's clock went on through the pause as ours did."""
        if not _QUIET_PAUSE_TICKS < step < _LONGEST_PAUSE_TICKS:
            return False
        late = made - self._sent - self._offset - step * (1.0 + self._skew.value)
        return -_EARLIEST_TICKS < late < _LATEST_TICKS
