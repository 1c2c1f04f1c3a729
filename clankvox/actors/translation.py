"""From commands of the contract to what actors understand: pure functions, the way in (projection is the way out)."""

from clankvox.ipc import commands
from clankvox.ipc.decoding import decode_pcm
from clankvox.messages import connection, playback
from clankvox.messages.common import Message


def connection_message(
    command: commands.Join | commands.Leave | commands.VoiceServer | commands.VoiceState,
) -> Message:
    """Translate a connection command of the contract to what the voice actor understands."""
    match command:
        case commands.Join():
            return connection.Join(
                connection_id=command.connection_id,
                guild_id=command.guild_id,
                channel_id=command.channel_id,
                self_mute=command.self_mute,
            )
        case commands.Leave(reason=reason):
            return connection.Leave(reason=reason)
        case commands.VoiceServer(data=data):
            return connection.VoiceServerUpdated(endpoint=data.endpoint, token=data.token, guild_id=data.guild_id)
        case commands.VoiceState(data=data):
            return connection.VoiceStateUpdated(
                session_id=data.session_id,
                user_id=data.user_id,
                channel_id=data.channel_id,
                guild_id=data.guild_id,
            )


def playback_message(
    command: commands.Audio | commands.FinishTtsPlayback | commands.StopTtsPlayback | commands.StopPlayback,
) -> Message:
    """Translate a TTS command of the contract to what the playback actor understands."""
    match command:
        case commands.Audio():
            decoded = decode_pcm(command)
            pcm = decoded if isinstance(decoded, bytearray) else None
            return playback.PlayTts(
                playback_id=command.playback_id,
                pcm=pcm,
                refusal=None if isinstance(decoded, bytearray) else str(decoded),
                sample_rate_hz=command.sample_rate,
            )
        case commands.FinishTtsPlayback(playback_id=playback_id):
            return playback.FinishTts(playback_id=playback_id)
        case commands.StopTtsPlayback(playback_id=playback_id):
            return playback.StopTts(playback_id=playback_id)
        case commands.StopPlayback():
            return playback.StopPlayback()
