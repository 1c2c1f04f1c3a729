"""Our own Go Live stream: what is published, on which connection, and what parent and server hear of it.

Pictures never come by here: a worker reads, encodes and sends them (media.publish_port). The sound of a source does,
20 ms at a time, as the speech of the call does.
"""

from typing import Final, assert_never

import numpy as np

from clankvox.actors.base import BaseActor, Surroundings, teller
from clankvox.actors.output import Output
from clankvox.actors.transmission import Transmission
from clankvox.actors.wish import INTERNAL_ERROR
from clankvox.clock import SLOT_S
from clankvox.errors import CodecError
from clankvox.fsm.publish import PublishMachine, PublishState
from clankvox.ids import Role, Ssrc, connection_address
from clankvox.media.frame_ledger import FrameFate
from clankvox.media.opus_encoder import MUSIC, OpusEncoder
from clankvox.media.pcm import FRAME_SAMPLES
from clankvox.media.png_picture import PngRefused
from clankvox.media.publish_port import PublishPort, PublishRequest
from clankvox.media.publish_way import PublishWay
from clankvox.media.rtp_sender import OpusFrame, SealedPacket
from clankvox.media.stream_audio import StreamAudio
from clankvox.media.video_target import VideoTarget
from clankvox.messages.common import Inspect, ResetBaton
from clankvox.messages.connection import PublishPathTaken, SendGatewayJson
from clankvox.messages.playback import SlotServed
from clankvox.messages.publish import (
    BrowserPicture,
    KeyframeIntervalChanged,
    PublishBrowser,
    PublishEnded,
    PublishFailed,
    PublishGateChanged,
    PublishMessage,
    PublishPathClosed,
    PublishPathOpened,
    PublishPause,
    PublishReportDue,
    PublishResume,
    PublishStarted,
    PublishStop,
    PublishUrl,
    SoundPoll,
    ViewersWant,
)
from clankvox.messages.router import PublishMediaStarted, PublishRefused, PublishReported
from clankvox.ports import SendOutcome, SlotReport
from clankvox.wire.gateway_ops import Op, Payload, Resolution, Speaking, StreamDescription, Video

REPORT_S: Final = 1.0
"""Sender reports go out once a second: viewers synchronise sound and picture by them."""
SHORTEST_INTERVAL_MS: Final = 250
"""Key frames more often than this would leave no bits for the picture."""
SOUNDSHARE: Final = 2
"""Speaking flag of a stream's sound (op 5)."""
NOT_STARTED: Final = "stream_publish_browser_source_not_started"
INVALID: Final = "stream_publish_browser_frame_invalid_png"
MISMATCH: Final = "stream_publish_browser_frame_source_mismatch"

_SOURCED: Final = frozenset(
    {PublishState.WAITING, PublishState.PLAYING, PublishState.PAUSED, PublishState.PAUSED_WAITING}
)


class PublishActor(BaseActor[PublishMessage | Inspect]):
    """One per process."""

    def __init__(
        self, surroundings: Surroundings, port: PublishPort, way: PublishWay, output: Output, target: VideoTarget
    ) -> None:
        super().__init__(surroundings)
        self._port = port
        self._way = way
        self._own_target = self._target = target
        self._machine = PublishMachine(self._observe)
        self._request: PublishRequest | None = None
        self._source = self._connection = surroundings.first_number
        self._path: PublishPathOpened | None = None
        self._audio = StreamAudio()
        self._encoder = OpusEncoder(MUSIC)
        self._transmission = Transmission(output, self, self._observe)
        self._polling_at = 0.0

    def handle(self, message: PublishMessage | Inspect) -> object:
        """See BaseActor."""
        match message:
            case SlotServed(path=path, report=report):
                self._on_slot(path, report)
            case SoundPoll() | PublishGateChanged():
                self._on_gate_or_poll(message)
            case PublishUrl():
                self._on_url(message)
            case PublishBrowser(refusal=refusal):
                self._on_browser(refusal)
            case BrowserPicture():
                self._on_picture(message)
            case PublishStop():
                self._on_stop()
            case PublishPause():
                self._on_pause()
            case PublishResume():
                self._on_resume()
            case PublishPathOpened():
                self._on_path_opened(message)
            case PublishPathClosed(final=final):
                self._on_path_closed(final=final)
            case ViewersWant():
                self._on_viewers_want(message)
            case PublishStarted():
                self._on_started(message)
            case PublishEnded(source=source):
                self._on_over(source, None)
            case PublishFailed(source=source, reason=reason):
                self._on_over(source, reason)
            case KeyframeIntervalChanged(attempt=attempt, interval_ms=interval_ms):
                if self._path is not None and self._path.attempt == attempt:
                    self._follow_keyframe_interval(interval_ms)
            case PublishReportDue(connection=connection):
                self._on_report_due(connection)
            case ResetBaton():
                self._on_reset(message)
            case Inspect():
                known = {"state": str(self._state), "source": self._source, "connection": self._connection}
                return known | self._transmission.view
            case _:
                assert_never(message)
        return None

    def let_go(self) -> None:
        """Leave no worker, no child and no packet behind."""
        self._port.stop()
        self._port.detach()
        self._transmission.close()
        self._way.close()

    @property
    def _state(self) -> PublishState:
        return PublishState(self._machine.current_state_value)

    # --- what the parent wants ---

    def _on_url(self, order: PublishUrl) -> None:
        if not order.url:
            kind = "play_visualizer" if order.visualizer_mode else "play"
            self.report(PublishRefused(reason=f"stream_publish_{kind}_missing_url"))
            return
        self._publish(
            PublishRequest(
                url=order.url,
                direct=order.direct,
                with_audio=order.with_audio,
                visualizer_mode=order.visualizer_mode,
            )
        )

    def _on_browser(self, refusal: str | None) -> None:
        if refusal is not None:
            self.report(PublishRefused(reason=refusal))
        else:
            self._publish(PublishRequest(url=None))

    def _publish(self, request: PublishRequest) -> None:
        """Make `request` the source; one that is there already goes on where it is."""
        if request == self._request and self._state in _SOURCED:
            self._go_on_with_the_same()
            return
        self._drop_source()
        self._request = request
        self._source += 1
        self._port.start(self._source, request, self._target, self._audio if request.with_audio else None)
        if self._path is not None:
            self._take("source_started")
            self._announce(active=True)
            self._begin_sound()
        else:
            self._take("source_queued")

    def _go_on_with_the_same(self) -> None:
        match self._state:
            case PublishState.PAUSED | PublishState.PAUSED_WAITING:
                self._on_resume()
            case PublishState.PLAYING:
                self._take("source_started")
            case _:
                self._take("source_queued")

    def _on_picture(self, picture: BrowserPicture) -> None:
        if self._state in (PublishState.PAUSED, PublishState.PAUSED_WAITING):
            return
        reason = picture.refusal
        if reason is None and self._request is None:
            reason = NOT_STARTED
        elif reason is None and self._request is not None and self._request.url is not None:
            reason = MISMATCH
        if reason is None and picture.png is not None:
            try:
                self._port.offer_png(picture.png, picture.captured_at_ms)
            except PngRefused as refusal:
                reason = f"{INVALID}: {refusal}"
        if reason is not None:
            self.report(PublishRefused(reason=reason, waiting=reason == NOT_STARTED))

    def _on_stop(self) -> None:
        self._drop_source()
        self._take("stopped")

    def _drop_source(self, *, cut: bool = True) -> None:
        """End what is published, and say so on the stream's gateway first; `cut`: sound that waits for its slot too."""
        if self._state is PublishState.PLAYING:
            self._announce(active=False)
        self._port.stop()
        self._audio.clear()
        if cut:
            self._encoder.reset()
        self._transmission.retract(armed=cut)
        self._request = None

    def _on_pause(self) -> None:
        if self._state not in (PublishState.PLAYING, PublishState.WAITING):
            return
        self._port.pause()
        self._announce(active=False)
        self._take("paused")

    def _on_resume(self) -> None:
        if self._state not in (PublishState.PAUSED, PublishState.PAUSED_WAITING):
            return
        self._announce(active=True)
        self._port.resume()
        self._take("resumed")
        self._begin_sound()

    # --- the connection ---

    def _on_path_opened(self, path: PublishPathOpened) -> None:
        self._path = path
        self._connection += 1
        self._port.attach(path.attempt, self._way.open(path.audio_ssrc, path.video_ssrc, path.rtx_ssrc, path.sealer))
        self._port.want(wanted=True)
        self._follow_keyframe_interval(path.keyframe_interval_ms)
        self._take("path_opened")
        self.send(connection_address(Role.STREAM_PUBLISH), PublishPathTaken(attempt=path.attempt))
        if self._state is PublishState.PLAYING:
            self._announce(active=True)
        self._transmission.open(path.audio_ssrc, path.sealer)
        self.later(REPORT_S, PublishReportDue(connection=self._connection))

    def _on_path_closed(self, *, final: bool) -> None:
        """Keep the source for the next connection, unless the parent has had enough."""
        self._path = None
        self._port.detach()
        self._way.close()
        self._transmission.close() if final else self._transmission.suspend()
        self._take("path_closed")
        if final:
            self._drop_source()
            self._machine.stopped()

    def _on_reset(self, baton: ResetBaton) -> None:
        """Be done with the connection before its sockets close; a role that is closed for an error ends its source.

        That of one that waits for a connection is told: there may be none whose end would say so.
        """
        if baton.reason == INTERNAL_ERROR:
            if self._state in (PublishState.WAITING, PublishState.PAUSED_WAITING):
                self._take("source_failed", INTERNAL_ERROR)
            self._on_path_closed(final=True)
        self._transmission.close()
        self.report(baton)

    def _follow_keyframe_interval(self, interval_ms: float | None) -> None:
        """Take the server's word for how often viewers get a picture to begin with; without one ours holds."""
        target = self._own_target
        if interval_ms is not None and interval_ms >= SHORTEST_INTERVAL_MS:
            target = target.with_keyframes_every(interval_ms)
        if target != self._target:
            self._target = target
            self._port.retarget(target)

    def _on_viewers_want(self, wants: ViewersWant) -> None:
        path = self._path
        if path is None or path.attempt != wants.attempt:
            return
        wanted = wants.by_ssrc.get(path.video_ssrc, wants.any_quality)
        self._port.want(wanted=wanted is None or wanted > 0)

    def _on_gate_or_poll(self, message: SoundPoll | PublishGateChanged) -> None:
        if isinstance(message, PublishGateChanged):
            self._port.force_idr()  # whoever has just joined the group cannot decode what came before
        self._begin_sound()

    def _on_report_due(self, connection: int) -> None:
        if connection == self._connection and self._path is not None:
            self._way.report(self._clock.now())
            self.later(REPORT_S, PublishReportDue(connection=connection))

    def _announce(self, *, active: bool) -> None:
        """Say on the stream's gateway what we send: nothing may be sent before (ops 12 and 5)."""
        path = self._path
        if path is None:
            return
        self._say(Op.VIDEO, _video(path, self._target, active=active))
        self._say(Op.SPEAKING, Speaking(speaking=SOUNDSHARE if active else 0, ssrc=path.audio_ssrc, delay=0))

    def _say(self, op: Op, payload: Payload) -> None:
        if self._path is not None:
            message = SendGatewayJson(attempt=self._path.attempt, op=op, payload=payload)
            self.send(connection_address(Role.STREAM_PUBLISH), message)

    # --- the worker ---

    def _on_started(self, started: PublishStarted) -> None:
        if started.source == self._source and self._path is not None and started.attempt == self._path.attempt:
            self.report(PublishMediaStarted(connection=self._connection, source=self._source))

    def _on_over(self, source: int, reason: str | None) -> None:
        """Take the end of the source that is published; of an older one nobody wants to know."""
        if source != self._source or self._state not in _SOURCED:
            return
        self._drop_source(cut=False)
        if reason is None:
            self._take("source_ended")
        else:
            self._take("source_failed", reason)

    def _take(self, event: str, reason: str = "") -> None:
        """Take one transition and report it."""
        was = self._state
        self._machine.send(event)
        linked = self._path is not None
        self.report(PublishReported(event=event, was=was, now=self._state, linked=linked, reason=reason))

    # --- sound: the FrameMaker of the transmission ---

    def next_frame(self, deadline_s: float) -> OpusFrame | None:
        """See FrameMaker."""
        pcm = self._audio.take(deadline_s) if self._state is PublishState.PLAYING else None
        if pcm is None and self._encoder.holds_sound:
            pcm = np.zeros((FRAME_SAMPLES, 2), np.int16)
        if pcm is None:
            return None
        try:
            return OpusFrame(self._encoder.encode(pcm), audible=bool(np.any(pcm)))
        except CodecError:
            return None

    def frame_ahead(self, _deadline_s: float) -> OpusFrame | None:
        """See FrameMaker: what sounds with a picture is known when its slot comes."""
        return None

    def frame_over(self, frame: OpusFrame, fate: FrameFate) -> None:
        """See FrameMaker: the ledger has counted it."""

    def speaking_changed(self, ssrc: Ssrc, *, speaking: bool) -> None:
        """See FrameMaker: op 5 follows the picture, which pauses of the sound do not end."""

    def nothing_to_send(self) -> None:
        """See FrameMaker."""
        request, now = self._request, self._clock.now()
        if request is None or not request.with_audio or self._state is not PublishState.PLAYING:
            return
        if self._polling_at <= now and not self._transmission.is_closed:
            self._polling_at = now + SLOT_S
            self.later(SLOT_S, SoundPoll())

    def way_broken(self, what: str, *, again: bool) -> None:
        """See FrameMaker: the picture's counters tell the same story, and the connection its end."""

    def slot_served(self, path: int, report: SlotReport) -> None:
        """See FrameMaker. Pacer thread."""
        teller(self.actor_ref)(SlotServed(path=path, report=report))

    def _on_slot(self, path: int, report: SlotReport) -> None:
        packet = report.packet
        if report.outcome is SendOutcome.SENT and isinstance(packet, SealedPacket):
            self._way.sound_left(len(packet.frame.payload), packet.timestamp, packet.deadline_s)
        self._transmission.on_slot(path)

    def _begin_sound(self) -> None:
        if self._request is not None and self._request.with_audio:
            self._transmission.begin()


def _video(path: PublishPathOpened, target: VideoTarget, *, active: bool) -> Video:
    stream = StreamDescription(
        type="video",
        rid="100",
        ssrc=path.video_ssrc,
        rtx_ssrc=path.rtx_ssrc,
        active=active,
        quality=100,
        max_bitrate=target.bitrate_bps,
        max_framerate=target.fps,
        max_resolution=Resolution(type="fixed", width=target.width, height=target.height),
    )
    return Video(audio_ssrc=path.audio_ssrc, video_ssrc=path.video_ssrc, rtx_ssrc=path.rtx_ssrc, streams=(stream,))
