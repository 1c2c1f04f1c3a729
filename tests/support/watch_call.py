"""The whole path from the socket to pictures, in a room of the offline Discord: everything of ours but the actors."""

import threading
from contextlib import suppress

import simplejpeg

from clankvox.clock import SystemClock
from clankvox.errors import TransportLost
from clankvox.ids import Attempt, Role, Ssrc, UserId
from clankvox.loopback.clock_picture import read_clock
from clankvox.media.capture_board import CaptureBoard
from clankvox.media.decode_queue import DecodeQueue
from clankvox.media.frame_cipher import FrameCipher
from clankvox.media.packet_sealer import PacketSealer
from clankvox.media.picture_maker import PictureMaker
from clankvox.media.receive import ReceivePipeline
from clankvox.media.video_receiver import VideoReceiver
from clankvox.media.watch_list import PictureWish, RemoteStream
from clankvox.shells.udp_link import UdpLink
from clankvox.shells.video_worker import VideoWorker
from clankvox.wire import gateway_ops as ops
from clankvox.wire.gateway_ops import Op
from tests.support.hearing import Heard
from tests.support.video_client import VideoClient, codecs

WAIT_S = 20.0


class MemberEngine:
    """MlsEngine over the client's member, which changes its group only before anything is watched."""

    def __init__(self, client):
        self._client = client

    @property
    def ready(self):
        return self._client.member.ready

    @property
    def members(self):
        return frozenset(UserId(user) for user in self._client.member._recognized)

    def decrypt_video(self, user_id, frame):
        return self._client.member.decrypt_video(user_id, frame)


class WatchCall(VideoClient):
    """A context: joined, with every video stream of the room watched as `wish` says."""

    def __init__(self, discord, user=1, wish=None, **options):
        self.wish = wish or PictureWish(1_000, 75)  # a machine with much to do makes pictures bunch up
        self.pictures, self.facts = [], Heard()
        self._shown = threading.Condition()
        self._link = None
        super().__init__(discord, user, codecs=codecs(105, 107), **options)

    def start(self):
        """Begin to read the socket."""
        self.clock = SystemClock()
        self.cipher = FrameCipher()
        self.maker = PictureMaker(self, lambda ssrc: self.pipeline.require_keyframe(ssrc, self.clock.now()))
        self.queue = DecodeQueue()
        self.worker = VideoWorker(Role.STREAM_WATCH, self.queue, self.maker)
        self.video = VideoReceiver(Role.STREAM_WATCH, self.cipher, self.worker, self.facts, self._send_feedback)
        self.pipeline = ReceivePipeline(self.cipher, CaptureBoard(), Heard(), Heard(), self.video)
        self._sealer = PacketSealer(self.mode, self.key)
        self.pipeline.attach(Attempt(1), Ssrc(self.ssrc))
        self.pipeline.open_with(self._sealer)
        self.udp.setblocking(False)
        self._link = UdpLink(Attempt(1), self.udp, self.pipeline, self.clock, lambda lost: None)
        self.worker.start()
        self._link.start()
        self.cipher.install(MemberEngine(self))
        self.cipher.mls(lambda engine: engine.ready)
        return self

    def watch(self, user):
        """Watch what `user` announced; returns its SSRC."""
        told = self.wait(Op.VIDEO, predicate=lambda data: data["user_id"] == str(user) and data["streams"])
        stream = told["streams"][0]
        ssrc = Ssrc(stream["ssrc"])
        rtx_ssrc = Ssrc(stream["rtx_ssrc"])
        streams = (RemoteStream(UserId(user), ssrc, rtx_ssrc, "video", stream["rid"], self.wish),)
        self.maker.watch(streams)
        self.pipeline.watch(streams)
        self._link.wake()
        self.send(Op.MEDIA_SINK_WANTS, ops.MediaSinkWants(any=100, wants={ssrc: 100}))
        return ssrc

    def picture(self, picture):
        """PictureSink."""
        with self._shown:
            self.pictures.append(picture)
            self._shown.notify_all()

    def compressed(self, unit):
        """PictureSink."""
        raise AssertionError(unit)

    def wait_pictures(self, count):
        with self._shown:
            assert self._shown.wait_for(lambda: len(self.pictures) >= count, WAIT_S), self.counters()
            return self.pictures[:]

    def counters(self):
        totals = self.video.totals
        return {name: getattr(totals, name) for name in totals.__slots__ if getattr(totals, name)}

    def close(self, code=1000):
        if self._link is not None:
            self._link.close()
            self.worker.close()
        super().close(code)

    def _send_feedback(self, compound):
        with suppress(TransportLost):
            self._link.send(self._sealer.seal_rtcp(compound))


def stamps(pictures):
    """The clocks that are drawn into the pictures, as read from their JPEGs; None where nothing can be read."""
    return [read_clock(simplejpeg.decode_jpeg(picture.jpeg, "GRAY")[..., 0]) for picture in pictures]
