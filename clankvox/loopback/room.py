"""A room: who is there, what they tell each other, and its DAVE delivery service."""

from collections.abc import Collection, Iterable

from clankvox.errors import WireError
from clankvox.ids import ChannelId, GuildId, UserId
from clankvox.loopback.delivery import DeliveryService, Phase
from clankvox.loopback.media_port import MediaRoom
from clankvox.loopback.mls_outbox import Effects
from clankvox.loopback.participant import Emit, Participant
from clankvox.loopback.video_port import wanted_quality
from clankvox.wire.gateway_ops import (
    ClientDisconnect,
    ClientsConnect,
    Flags,
    InvalidCommitWelcome,
    MediaSinkWants,
    Op,
    Payload,
    Platform,
    Speaking,
    StreamDescription,
    TransitionReady,
    Video,
)

_WANTED = 100


class Room:
    """The participants of one channel. The event loop owns it."""

    def __init__(self, server_id: GuildId, channel_id: ChannelId, emit: Emit, *, dave: bool) -> None:
        """Begin empty; without `dave` the room stays plain whoever joins."""
        self.server_id = server_id
        self.channel_id = channel_id
        self.members: dict[UserId, Participant] = {}
        self.media = MediaRoom()
        self.service = DeliveryService(channel_id)
        self._connected: set[UserId] = set()
        self._emit = emit
        if not dave:
            self.service.prepare_downgrade()
        self.media.encryption_due = self._encrypted

    @property
    def _encrypted(self) -> bool:
        return self.service.phase is Phase.ENCRYPTED

    def rename(self, channel_id: ChannelId) -> bool:
        """Learn which channel this is, which no version 8 client tells; False once its group has a name."""
        if not self.service.rename(channel_id):
            return False
        self.channel_id = channel_id
        return True

    def enter(self, newcomer: Participant) -> None:
        """Announce `newcomer` and the others to each other (ops 11, 18 and 20); its op 2 is queued already."""
        others = list(self.members.values())
        self.members[newcomer.user_id] = newcomer
        if others:
            newcomer.send(Op.CLIENTS_CONNECT, ClientsConnect(user_ids=tuple(str(other.user_id) for other in others)))
        for other in others:
            _describe(other, newcomer)
            other.send(Op.CLIENTS_CONNECT, ClientsConnect(user_ids=(str(newcomer.user_id),)))
            _describe(newcomer, other)

    def connect(self, participant: Participant, now: float) -> None:
        """Let media flow to and from `participant`, whose op 4 is queued; then what it has to know of the others."""
        if participant.user_id in self._connected:
            return
        self._connected.add(participant.user_id)
        participant.port.room = self.media
        self.media.ports.append(participant.port)
        self.apply(self.service.member_connected(participant.user_id, participant.dave_version), now)
        for other in self.members.values():
            if other is participant:
                continue
            if other.speaking is not None:
                participant.send(Op.SPEAKING, other.speaking)
            if other.video is not None and other.video.video_ssrc:
                participant.send(Op.VIDEO, other.video)

    def leave(self, participant: Participant, now: float) -> None:
        """Take `participant` out: op 13 to the others, before the service has its leaf removed."""
        if self.members.get(participant.user_id) is not participant:
            return
        del self.members[participant.user_id]
        self._connected.discard(participant.user_id)
        if participant.port in self.media.ports:
            self.media.ports.remove(participant.port)
        self._tell_others(participant, Op.CLIENT_DISCONNECT, ClientDisconnect(user_id=str(participant.user_id)))
        self.apply(self.service.member_left(participant.user_id), now)
        if participant.port.wants is not None:
            for other in self.members.values():
                self._tell_wants(other)

    def is_connected(self, participant: Participant) -> bool:
        """Whether `participant` has its session description."""
        return participant.user_id in self._connected

    def speak(self, participant: Participant, flags: int) -> None:
        """Op 5 of `participant`; any flags announce its SSRC."""
        told = Speaking(speaking=flags, ssrc=participant.port.ssrc, user_id=str(participant.user_id))
        changed = participant.speaking is None or participant.speaking.speaking != flags
        participant.speaking = told
        self._tell_others(participant, Op.SPEAKING, told)
        participant.port.announce((participant.port.ssrc,))
        if changed:
            self._emit("speaking", self._about(participant, speaking=int(flags), ssrc=participant.port.ssrc))

    def show(self, participant: Participant, video: Video) -> None:
        """Op 12 of `participant`: its video SSRCs, or zeros for none."""
        port = participant.port
        before = participant.video
        streams = video.streams
        if streams is None and before is not None and video.video_ssrc:
            streams = before.streams  # an update without a list keeps the former one
        told = Video(
            audio_ssrc=video.audio_ssrc,
            video_ssrc=video.video_ssrc,
            streams=None if streams is None else tuple(_as_told(stream) for stream in streams),
            user_id=str(participant.user_id),
        )
        participant.video = told
        self._tell_others(participant, Op.VIDEO, told)
        port.video_described = True
        port.repairs = _repairs(video, streams or (), port.ssrcs)
        named = {video.video_ssrc, *(stream.ssrc for stream in streams or ()), *port.repairs}
        port.announced &= {port.ssrc}
        port.announce((port.ssrcs & named) - {port.ssrc})
        if told != before:
            self._show_changed(participant, told)

    def want(self, participant: Participant, wants: MediaSinkWants) -> None:
        """Op 15 of `participant`: what is not wanted stops, and each sender hears which of its layers are wanted."""
        participant.port.wants = wants
        participant.port.unwanted = {ssrc for ssrc, quality in wants.wants.items() if quality == 0}
        for other in self.members.values():
            if other is not participant:
                self._tell_wants(other, set(wants.wants))

    def receive_dave(self, participant: Participant, op: int, payload: bytes | Payload, now: float) -> None:
        """Ops 23, 26, 28 and 31 of `participant`; what makes no sense is counted by the service."""
        user_id = participant.user_id
        match op, payload:
            case Op.MLS_KEY_PACKAGE, bytes():
                if participant.port.garbling is not None and participant.port.garbling.until_new_group:
                    participant.port.garbling = None
                self.apply(self.service.key_package(user_id, payload), now)
            case Op.MLS_COMMIT_WELCOME, bytes():
                self.apply(self.service.commit_welcome(user_id, payload), now)
            case _, TransitionReady(transition_id=transition_id):
                self.apply(self.service.transition_ready(user_id, transition_id), now)
            case _, InvalidCommitWelcome(transition_id=transition_id):
                self.apply(self.service.invalid_commit(user_id, transition_id), now)
            case _:
                raise WireError("no DAVE message of a client")

    def apply(self, effects: Effects, now: float) -> None:
        """Queue the messages of the delivery service and report its happenings."""
        for user_id, op, payload in effects.outgoing:
            self.members[user_id].send(op, payload)
        for happening in effects.happenings:
            self._emit(happening.kind, {"serverId": str(self.server_id), **happening.fields})
        if self._encrypted != self.media.encryption_due:
            self.media.encryption_due = self._encrypted
            if self._encrypted:
                self.media.upgraded_at_s = now

    def report(self) -> dict[str, object]:
        """Return the room for `stats`."""
        return {
            "serverId": str(self.server_id),
            "channelId": str(self.channel_id),
            "phase": str(self.service.phase),
            "version": int(self._encrypted),
            "epoch": self.service.epoch,
            "settled": self.service.settled,
            "members": [str(user_id) for user_id in self.members],
            "groupMembers": sorted(str(user_id) for user_id in self.service.group_members),
            "dropped": dict(self.service.dropped),
        }

    def _about(self, participant: Participant, **fields: object) -> dict[str, object]:
        return {"userId": str(participant.user_id), "serverId": str(self.server_id), **fields}

    def _tell_others(self, participant: Participant, op: Op, payload: Payload) -> None:
        for other in self.members.values():
            if other is not participant:
                other.send(op, payload)

    def _show_changed(self, sender: Participant, told: Video) -> None:
        """Report a video that began, changed or ended, and tell its sender that it is wanted until we know better."""
        layers = told.streams or ()
        active = bool(told.video_ssrc) and (not layers or any(layer.active is not False for layer in layers))
        self._emit("video", self._about(sender, active=active, ssrc=told.video_ssrc))
        if not active:
            return
        if any(other.port.wants is not None for other in self.members.values() if other is not sender):
            self._tell_wants(sender)
        else:
            sender.send(Op.MEDIA_SINK_WANTS, MediaSinkWants(any=_WANTED))

    def _tell_wants(self, sender: Participant, named: Collection[int] = ()) -> None:
        """Tell `sender` the most that anybody wants of what it shows, or of what it may send and was `named`."""
        port = sender.port
        shown = (port.announced | (port.ssrcs & set(named))) - port.repairs.keys() - {port.ssrc}
        if not shown:
            return
        wants = {ssrc: self._most_wanted(sender, ssrc) for ssrc in sorted(shown)}
        shows = bool(sender.video and sender.video.video_ssrc)
        sender.send(Op.MEDIA_SINK_WANTS, MediaSinkWants(any=max(wants.values()) if shows else None, wants=wants))

    def _most_wanted(self, sender: Participant, ssrc: int) -> int:
        """Return the highest quality that any receiver wants of `ssrc`; who said nothing wants all."""
        others = [self.members[user_id] for user_id in self._connected - {sender.user_id}]
        return max((wanted_quality(other.port.wants, ssrc) for other in others), default=0)


def _repairs(video: Video, streams: Iterable[StreamDescription], ssrcs: Collection[int]) -> dict[int, int]:
    """Return repair SSRC to primary SSRC; a stream that names none has the next number."""
    pairs = {}
    if video.video_ssrc:
        pairs[video.rtx_ssrc or video.video_ssrc + 1] = video.video_ssrc
    for stream in streams:
        if stream.ssrc:
            pairs[stream.rtx_ssrc or stream.ssrc + 1] = stream.ssrc
    return {rtx: primary for rtx, primary in pairs.items() if rtx in ssrcs and primary in ssrcs}


def _describe(subject: Participant, listener: Participant) -> None:
    listener.send(Op.FLAGS, Flags(user_id=str(subject.user_id)))
    listener.send(Op.PLATFORM, Platform(user_id=str(subject.user_id)))


def _as_told(stream: StreamDescription) -> StreamDescription:
    """Return a layer as receivers see it: without the sender's bit rate."""
    return StreamDescription(
        type=stream.type,
        rid=stream.rid,
        ssrc=stream.ssrc,
        rtx_ssrc=stream.rtx_ssrc,
        active=stream.active,
        quality=stream.quality,
        max_framerate=stream.max_framerate,
        max_resolution=stream.max_resolution,
    )
