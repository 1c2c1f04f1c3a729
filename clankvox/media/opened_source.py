"""A source of pictures that reads one container: opened on the first pull, and closed for certain."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Final

from av.container import InputContainer
from av.error import FFmpegError

from clankvox.media.picture_source import Item, MediaOpener, Pulled, SourceFailed
from clankvox.media.source_fault import fault_of
from clankvox.media.tolerant_decoding import TolerantDecoding

BROKEN_OFF: Final = "the connection to the source broke off"


class OpenedSource(ABC):
    """What paced sources share (media.picture_source.PictureSource). `pull` may block as long as the opener lets it."""

    live = False
    has_sound = False

    def __init__(self, opener: MediaOpener) -> None:
        self._opener = opener
        self._container: InputContainer | None = None
        self._items: Iterator[Item] | None = None
        self._decoding = TolerantDecoding()

    @abstractmethod
    def _read(self, container: InputContainer) -> Iterator[Item]:
        """Give what the container holds, in its order."""

    @property
    def left_out(self) -> int:
        """How many packets were damaged. Any thread."""
        return self._decoding.damaged_packets

    def pull(self) -> Item:
        """Return the next picture or sound. Raises SourceFailed."""
        try:
            if self._items is None:
                self._container = self._opener.open()
                self._items = self._read(self._container)
            item = next(self._items, Pulled.ENDED)
        except (FFmpegError, OSError, ValueError) as error:  # av.ArgumentError is none of its own base
            raise SourceFailed(str(fault_of(error, heard=True))) from None
        if item is Pulled.ENDED and not self._opener.whole:
            raise SourceFailed(BROKEN_OFF)
        return item

    def interrupt(self) -> None:
        """Make a `pull` that blocks return soon. Any thread."""
        self._opener.interrupt()

    def forget(self) -> None:  # noqa: B027 - nothing to do here is what both do
        """Keep everything: the source goes on where it was held."""

    def close(self) -> None:
        """Close the container: one that is only forgotten takes the process with it."""
        self._items = None
        container, self._container = self._container, None
        if container is not None:
            container.close()
