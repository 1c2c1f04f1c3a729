"""A PictureSource that gives what a test put into it."""

from collections import deque

import av

from clankvox.media.picture_source import Pulled, TimedPicture
from tests.support.coded_video import av_frame


class ScriptedSource:
    """Gives `items` in order, then ENDED, or WAITING if it is live. An exception among them is raised."""

    def __init__(self, items=(), *, live=False, has_sound=False):
        self.items = deque(items)
        self.live = live
        self.has_sound = has_sound
        self.left_out = 0
        self.pulled = 0
        self.forgotten = 0
        self.closed = 0
        self.interrupted = 0
        self.on_pull = lambda: None

    def pull(self):
        self.on_pull()
        self.pulled += 1
        if not self.items:
            return Pulled.WAITING if self.live else Pulled.ENDED
        item = self.items.popleft()
        if isinstance(item, BaseException):
            raise item
        return item

    def forget(self):
        self.forgotten += 1

    def interrupt(self):
        self.interrupted += 1

    def close(self):
        self.closed += 1


def pictures(count, rate=30, start_s=0.0, size=(320, 192)):
    """Pictures that say their number, `rate` a second."""
    return [TimedPicture(av_frame(index, *size), start_s + index / rate) for index in range(count)]


class FileOpener:
    """A MediaOpener of a file, which may be said to have broken off."""

    def __init__(self, path, *, whole=True):
        self.path = path
        self.whole = whole
        self.interrupted = 0

    def open(self):
        return av.open(str(self.path))

    def interrupt(self):
        self.interrupted += 1
