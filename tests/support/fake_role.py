"""What the actors of one role share, without sockets and threads; the double of app.RoleParts."""

from typing import TYPE_CHECKING

from clankvox.actors.connection import ConnectionActor
from clankvox.actors.facts import FactMail
from clankvox.ids import Role, connection_address, dave_address, video_address
from clankvox.media.capture_board import CaptureBoard
from clankvox.media.frame_cipher import FrameCipher
from clankvox.media.watch_list import WatchList
from tests.support.fake_server import FakeServer
from tests.support.fake_shells import RecordingUdp, RecordingWebSocket

if TYPE_CHECKING:
    from tests.support.factory import Call


class RecordingDesk:
    """actors.video.WatchDesk."""

    def __init__(self) -> None:
        self.lists: list[WatchList] = []

    def watch(self, streams: WatchList) -> None:
        self.lists.append(streams)


class FakeRole:
    """Sockets, cipher, pipeline and server of one role."""

    def __init__(self, call: "Call", role: Role) -> None:
        self._call = call
        self.role = role
        self.web_socket = RecordingWebSocket()
        self.udp = RecordingUdp()
        self.board = CaptureBoard()
        self.cipher = FrameCipher()
        self.udp.gate = lambda: self.cipher.gate
        facts = FactMail(role, call.tell_router, lambda: self.pipeline.attempt, call.outbox)
        self.pipeline = call.make_pipeline(self, call.outbox, facts)
        self.desk = RecordingDesk()
        self.server = FakeServer(self)

    @property
    def connection(self) -> ConnectionActor:
        return self._call.actor(connection_address(self.role))

    @property
    def dave(self) -> object:
        return self._call.actor(dave_address(self.role))

    @property
    def video(self) -> object:
        return self._call.actor(video_address(self.role))

    def drain(self) -> None:
        self._call.drain()
