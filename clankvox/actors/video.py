"""What is seen on one receiving role: who sends video, whom the parent wants to see, and what we ask the server for.

Pictures never come by here: the role's UDP thread assembles them and a worker decodes them, as the watch list says
that this actor publishes.
"""

import logging
from collections.abc import Callable
from typing import Final, Protocol, assert_never

from clankvox.actors.base import BaseActor, Surroundings
from clankvox.fsm.video import VideoMachine, VideoState
from clankvox.ids import Attempt, Ssrc, UserId, connection_address
from clankvox.media.watch_list import PictureWish, RemoteStream, WatchList
from clankvox.messages.common import Inspect, ResetBaton
from clankvox.messages.connection import SendGatewayJson
from clankvox.messages.router import VideoGone, VideoReported
from clankvox.messages.video import (
    PictureOverdue,
    SubscribeVideo,
    UnsubscribeVideo,
    VideoLinkLost,
    VideoLinkReady,
    VideoMemberGone,
    VideoMessage,
    VideoRevived,
    VideoStateAnnounced,
)
from clankvox.protocol.remote_video import RemoteVideo, Wish, merged, preferred, shown_type, sink_wants
from clankvox.wire.gateway_ops import MediaSinkWants, Op

_log = logging.getLogger("clankvox.video")

MOST_SENDERS: Final = 256
"""More than a channel holds; a server that announces more is not believed."""


class WatchDesk(Protocol):
    """The receive path, as far as it is told what to look at."""

    def watch(self, streams: WatchList) -> None:
        """Look at these streams from now on. The video actor's thread."""
        ...


class VideoActor(BaseActor[VideoMessage | Inspect]):
    """One per receiving role."""

    def __init__(self, surroundings: Surroundings, desk: WatchDesk) -> None:
        super().__init__(surroundings)
        self._desk = desk
        self._machine = VideoMachine(self._observe)
        self._attempt = Attempt(0)
        self._subscriptions: dict[UserId, SubscribeVideo] = {}
        self._remote: dict[UserId, RemoteVideo] = {}
        self._asked: MediaSinkWants | None = None

    def handle(self, message: VideoMessage | Inspect) -> object:
        """See BaseActor."""
        match message:
            case SubscribeVideo():
                self._subscriptions[message.user_id] = message
                self._ask()
                self._report_state(message.user_id)
            case UnsubscribeVideo(user_id=user):
                if self._subscriptions.pop(user, None) is not None:
                    self._ask()
            case VideoLinkReady(attempt=attempt):
                self._on_link_ready(attempt)
            case VideoLinkLost():
                self._on_link_lost()
            case VideoStateAnnounced(attempt=attempt, user_id=user, video=video):
                if attempt == self._attempt:
                    self._log("discord video state observed", user_id=user, video_ssrc=video.video_ssrc)
                    self._on_announced(user, merged(self._remote.get(user), video))
            case VideoMemberGone(user_id=user):
                self._on_announced(user, None)
            case PictureOverdue():
                self._ask(again=True)
            case VideoRevived():
                self._on_revived(message)
            case ResetBaton():
                self._on_link_lost()
                self.report(message)
            case Inspect():
                return {"state": str(self._state), "senders": len(self._remote), "wanted": len(self._subscriptions)}
            case _:
                assert_never(message)
        return None

    def let_go(self) -> None:
        """Look at nothing any more: nobody is left to say what it is."""
        self._desk.watch(())

    @property
    def _state(self) -> VideoState:
        return VideoState(self._machine.current_state_value)

    def _on_link_ready(self, attempt: Attempt) -> None:
        self._attempt = attempt
        self._asked = None
        self._machine.link_ready()
        self._ask()

    def _on_revived(self, revival: VideoRevived) -> None:
        """Know again what the predecessor knew; the parent was told of all of it."""
        self._subscriptions = {subscription.user_id: subscription for subscription in revival.subscriptions}
        self._remote = dict(revival.announced)
        if revival.attempt is not None:
            self._on_link_ready(revival.attempt)

    def _on_link_lost(self) -> None:
        """Forget what others sent; a connection that comes back announces it anew."""
        self._attempt = Attempt(0)
        self._machine.link_lost()
        for user in list(self._remote):
            self._drop(user)
        self._desk.watch(())

    def _on_announced(self, user: UserId, video: RemoteVideo | None) -> None:
        before = self._remote.get(user)
        if video == before:
            return
        if video is None:
            gone = before.ssrcs if before is not None else frozenset[Ssrc]()
            self._drop(user)
            self._ask(gone)
            return
        if before is None and len(self._remote) >= MOST_SENDERS:
            return
        self._remote[user] = video
        self._log("native video state received", user_id=user, video_ssrc=video.video_ssrc)
        self._report_state(user)
        self._ask((before.ssrcs if before is not None else frozenset[Ssrc]()) - video.ssrcs)

    def _drop(self, user: UserId) -> None:
        video = self._remote.pop(user, None)
        if video is not None:
            self.report(VideoGone(role=self._address.role, user_id=user, ssrc=video.last_ssrc))

    def _report_state(self, user: UserId) -> None:
        video = self._remote.get(user)
        if video is not None:
            self.report(
                VideoReported(
                    role=self._address.role,
                    user_id=user,
                    audio_ssrc=video.audio_ssrc,
                    video_ssrc=video.video_ssrc,
                    streams=video.streams,
                )
            )

    # --- what we want ---

    def _ask(self, gone: frozenset[Ssrc] = frozenset(), *, again: bool = False) -> None:
        """Tell the receive path and the server what is wanted now; the server only what it has not been told."""
        if self._state is VideoState.UNLINKED:
            return
        streams = self._watch_list()
        self._desk.watch(streams)
        self._follow(wanted=any(stream.wish is not None for stream in streams))
        wants = sink_wants(self._remote, {user: _wish(sub) for user, sub in self._subscriptions.items()}, gone)
        if wants is None or (wants == self._asked and not again):
            return
        self._asked = wants
        send = SendGatewayJson(attempt=self._attempt, op=Op.MEDIA_SINK_WANTS, payload=wants)
        self.send(connection_address(self._address.role), send)
        self._log("video sink wants updated", wanted=sum(wanted > 0 for wanted in wants.wants.values()))

    def _log(self, turn: str, **fields: object) -> None:
        """Log a turn of what is seen; dashboards of legacy parents look for these."""
        _log.info(turn, extra={"fields": {"role": self._address.role, **fields}})

    def _follow(self, *, wanted: bool) -> None:
        event: Callable[[], object] | None = None
        if wanted and self._state is VideoState.LISTENING:
            event = self._machine.streams_wanted
        elif not wanted and self._state is VideoState.WATCHING:
            event = self._machine.nothing_wanted
        if event is not None:
            event()

    def _watch_list(self) -> WatchList:
        return tuple(
            stream
            for user, video in self._remote.items()
            for stream in self._streams(user, video, self._subscriptions.get(user))
        )

    def _streams(self, user: UserId, video: RemoteVideo, subscription: SubscribeVideo | None) -> list[RemoteStream]:
        chosen = preferred(video, subscription.stream_type) if subscription is not None else None
        return [
            RemoteStream(
                user,
                Ssrc(stream.ssrc),
                Ssrc(stream.rtx_ssrc or stream.ssrc + 1),
                shown_type(self._address.role, stream.type),
                stream.rid,
                _picture_wish(subscription) if subscription is not None and stream is chosen else None,
            )
            for stream in video.streams
            if stream.ssrc
        ]


def _picture_wish(subscription: SubscribeVideo) -> PictureWish:
    return PictureWish(subscription.max_frames_per_second, subscription.jpeg_quality, subscription.decode_vp8)


def _wish(subscription: SubscribeVideo) -> Wish:
    return Wish(subscription.quality, subscription.pixel_count, subscription.stream_type)
