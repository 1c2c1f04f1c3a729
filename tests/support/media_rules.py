"""What parent, server and workers may do to music, pictures and our own stream, as mixins for a CallMachine."""

import hypothesis.strategies as st
from hypothesis.stateful import precondition, rule

from clankvox.ids import PUBLISH, Role
from clankvox.messages.publish import PublishEnded, PublishFailed, PublishGateChanged, PublishStarted
from clankvox.messages.video import PictureOverdue
from clankvox.wire.gateway_ops import Op
from tests.actors.test_stream import connect
from tests.support.call_rules import USERS

ROLES = st.sampled_from([Role.STREAM_WATCH, Role.STREAM_PUBLISH])
URLS = st.sampled_from(["https://example.com/a", "https://example.com/b"])


class Music:
    """Rules of pieces and of their sources; every piece with an id has one of its own."""

    pieces = 0

    def ids(self, named):
        return {"musicId": f"m{self.pieces}"} if named else {}

    @rule(named=st.booleans(), url=URLS)
    def play_music(self, named, url):
        self.pieces += 1
        self.call.line(type="music_play", url=url, resolvedDirectUrl=True, **self.ids(named))

    @rule(named=st.booleans())
    def a_piece_sounds(self, named):
        self.play_music(named, "https://example.com/a")
        self.rest()
        self.give(2_000)
        self.call.run(0.1)

    @rule(order=st.sampled_from(["stop", "pause", "resume"]), named=st.booleans())
    def order_music(self, order, named):
        self.call.line(type=f"music_{order}", **self.ids(named))

    @rule(level=st.sampled_from([0.2, 1.0]), fade_ms=st.sampled_from([0, 150]), named=st.booleans())
    def gain(self, level, fade_ms, named):
        self.call.line(type="music_set_gain", target=level, fadeMs=fade_ms, **self.ids(named))

    @rule(ms=st.sampled_from([20, 200, 2_000]))
    def give(self, ms):
        for source in self.open_sources():
            source.give(ms)

    @rule(how=st.sampled_from(["end", "fail"]))
    def sources_are_over(self, how):
        for source in self.open_sources():
            source.over = True
            getattr(source, how)()

    def open_sources(self):
        return [source for source in self.call.sources.all if not source.closed and not source.over]


class Streams:
    """Rules of both stream connections."""

    @rule(role=ROLES)
    def connect_stream(self, role):
        connect(self.call, str(role))

    @rule(role=ROLES)
    def disconnect_stream(self, role):
        self.call.line(type=f"{role}_disconnect")

    @rule(role=ROLES, version=st.integers(0, 1))
    def stream_handshake(self, role, version):
        server = self.call.roles[role].server
        if server.attempt is not None:
            server.handshake(version)

    @rule(role=ROLES, code=st.sampled_from([None, 4006, 4014, 4015]))
    def stream_lost(self, role, code):
        server = self.call.roles[role].server
        if server.attempt is not None:
            server.lost(code)


class Pictures:
    """Rules of those who send pictures, and of the parent's wishes to see them."""

    @rule(user=USERS)
    def subscribe_video(self, user):
        self.call.line(type="subscribe_user_video", userId=str(user))

    @rule(user=USERS)
    def unsubscribe_video(self, user):
        self.call.line(type="unsubscribe_user_video", userId=str(user))

    @precondition(lambda self: self.is_open)
    @rule(user=USERS, ssrc=st.sampled_from([0, 20, 30]))
    def announce_video(self, user, ssrc):
        streams = [{"type": "video", "ssrc": ssrc, "rtx_ssrc": ssrc + 1, "active": True}] if ssrc else []
        data = {"user_id": str(user), "audio_ssrc": 5, "video_ssrc": ssrc, "streams": streams}
        self.server.text(Op.VIDEO, data)

    @rule(ssrc=st.sampled_from([20, 30]))
    def picture_overdue(self, ssrc):
        self.call.told(PictureOverdue(ssrc=ssrc), self.call.roles[Role.VOICE].video)


class Publishing:
    """Rules of our own stream's source and of its worker."""

    @rule(url=URLS, audio=st.booleans())
    def publish(self, url, audio):
        self.call.line(type="stream_publish_play", url=url, withAudio=audio)

    @rule()
    def publish_browser(self):
        self.call.line(type="stream_publish_browser_start", mimeType="image/png")

    @rule(order=st.sampled_from(["stop", "pause", "resume"]))
    def order_publish(self, order):
        self.call.line(type=f"stream_publish_{order}")

    @rule(news=st.sampled_from(["started", "ended", "failed", "gate"]), back=st.sampled_from([0, 0, 1]))
    def publish_worker(self, news, back):
        source = self.call.publisher.source - back
        message = {
            "started": PublishStarted(source=source, attempt=self.call.publisher.attempt or 0),
            "ended": PublishEnded(source=source),
            "failed": PublishFailed(source=source, reason="gone"),
            "gate": PublishGateChanged(),
        }[news]
        if self.call.has_actor(PUBLISH):
            self.call.actor(PUBLISH).actor_ref.tell(message)
