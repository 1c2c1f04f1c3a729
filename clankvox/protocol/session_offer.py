"""What we tell a voice server about ourselves: credentials, the video layer on offer, and the codecs of each role."""

from typing import Final, NamedTuple

from clankvox.ids import ChannelId, GuildId, Role, UserId
from clankvox.wire.gateway_ops import (
    Codec,
    Identify,
    Ready,
    Resume,
    SelectProtocol,
    SelectProtocolData,
    StreamDescription,
)
from clankvox.wire.rtp import H264_PAYLOAD_TYPE, OPUS_PAYLOAD_TYPE, VP8_PAYLOAD_TYPE
from clankvox.wire.transport_crypto import TransportMode

MAX_DAVE_VERSION: Final = 1

_OFFERED_STREAM: Final = StreamDescription(type="screen", rid="100", quality=100)
_OPUS: Final = Codec(name="opus", type="audio", priority=1000, payload_type=OPUS_PAYLOAD_TYPE)


def _video(name: str, priority: int, payload_type: int, *, sends: bool) -> Codec:
    """Describe a video codec that we either send or receive; its RTX payload type is the next one."""
    return Codec(
        name=name,
        type="video",
        priority=priority,
        payload_type=payload_type,
        rtx_payload_type=payload_type + 1,
        encode=sends,
        decode=not sends,
    )


# Payload types are private to one connection: the server rewrites them between clients.
# H264 before VP8: a receiver that does not prefer it makes every sender of the channel switch codecs.
_RECEIVER: Final = (
    _OPUS,
    _video("H264", 1000, H264_PAYLOAD_TYPE, sends=False),
    _video("VP8", 2000, VP8_PAYLOAD_TYPE, sends=False),
)
_SENDER: Final = (_OPUS, _video("H264", 1000, H264_PAYLOAD_TYPE, sends=True))
CODECS: Final[dict[Role, tuple[Codec, ...]]] = {
    Role.VOICE: _RECEIVER,
    Role.STREAM_WATCH: _RECEIVER,
    Role.STREAM_PUBLISH: _SENDER,
}


class SessionCredentials(NamedTuple):
    """What identifies us to the voice server: `server_id` is the guild, or the RTC server of a stream."""

    server_id: GuildId
    channel_id: ChannelId
    user_id: UserId
    session_id: str
    token: str

    def __repr__(self) -> str:
        return f"SessionCredentials(server_id={self.server_id}, channel_id={self.channel_id}, user_id={self.user_id})"


def identify(who: SessionCredentials) -> Identify:
    """Return op 0 of gateway version 9."""
    return Identify(
        server_id=str(who.server_id),
        channel_id=str(who.channel_id),
        user_id=str(who.user_id),
        session_id=who.session_id,
        token=who.token,
        video=True,
        streams=(_OFFERED_STREAM,),
        max_dave_protocol_version=MAX_DAVE_VERSION,
    )


def resume(who: SessionCredentials, seq_ack: int) -> Resume:
    """Return op 7 of gateway version 9; `seq_ack` is the last numbered message that we have, -1 for none."""
    return Resume(
        server_id=str(who.server_id),
        channel_id=str(who.channel_id),
        session_id=who.session_id,
        token=who.token,
        seq_ack=seq_ack,
    )


def select_protocol(role: Role, mode: TransportMode, server: Ready, address: str, port: int) -> SelectProtocol:
    """Return op 1: media over UDP from our public `address` and `port`; the server's experiments are echoed."""
    return SelectProtocol(
        protocol="udp",
        data=SelectProtocolData(address=address, port=port, mode=mode.value),
        codecs=CODECS[role],
        experiments=server.experiments,
    )
