"""From commands of the contract to what actors understand: pure functions, the way in (projection is the way out)."""

from clankvox.ids import ConnectionId, Role
from clankvox.ipc import commands, dialects
from clankvox.ipc.decoding import decode_pcm, decode_picture
from clankvox.messages import capture, connection, music, playback, publish, video
from clankvox.messages.common import Message

ConnectionCommand = (
    commands.Join
    | commands.Leave
    | commands.VoiceServer
    | commands.VoiceState
    | commands.StreamWatchConnect
    | commands.StreamWatchDisconnect
    | commands.StreamPublishConnect
    | commands.StreamPublishDisconnect
)
"""Commands that one of the three connections carries out."""


def role_of(command: ConnectionCommand) -> Role:
    """Return the role whose connection carries out `command`."""
    match command:
        case commands.StreamWatchConnect() | commands.StreamWatchDisconnect():
            return Role.STREAM_WATCH
        case commands.StreamPublishConnect() | commands.StreamPublishDisconnect():
            return Role.STREAM_PUBLISH
        case _:
            return Role.VOICE


def end_of(role: Role, reason: str) -> Message:
    """Return the order that ends the connection of `role`."""
    if role is Role.VOICE:
        return connection.Leave(reason=reason)
    return connection.StreamDisconnect(reason=reason)


def connection_message(command: ConnectionCommand) -> Message:
    """Translate a connection command of the contract to what a connection actor understands."""
    match command:
        case commands.StreamWatchConnect() | commands.StreamPublishConnect():
            return connection.StreamConnect(
                endpoint=command.endpoint,
                token=command.token,
                server_id=command.server_id,
                channel_id=command.rtc_channel_id or command.dave_channel_id,
                session_id=command.session_id,
                user_id=command.user_id,
                group_id=command.dave_channel_id,
            )
        case commands.StreamWatchDisconnect(reason=reason) | commands.StreamPublishDisconnect(reason=reason):
            return connection.StreamDisconnect(reason=reason)
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


PlaybackCommand = (
    commands.Audio | commands.FinishTtsPlayback | commands.StopTtsPlayback | commands.StopPlayback | commands.Duck
)
"""Commands that the playback actor carries out."""


def playback_message(command: PlaybackCommand) -> Message:
    """Translate a command about what is heard to what the playback actor understands."""
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
        case commands.Duck(target=target, attack_ms=attack_ms, release_ms=release_ms):
            return playback.SetDucking(target=target, attack_ms=attack_ms, release_ms=release_ms)


MusicCommand = (
    commands.MusicPlay | commands.MusicStop | commands.MusicPause | commands.MusicResume | commands.MusicSetGain
)
"""Commands that the music actor carries out."""


def music_message(command: MusicCommand) -> Message:
    """Translate a music command of the contract to what the music actor understands."""
    match command:
        case commands.MusicPlay(music_id=music_id, url=url, resolved_direct_url=direct):
            waits = dialects.music_waits_for_tts(music_id)
            return music.PlayMusic(music_id=music_id, url=url, direct=direct, waits_for_speech=waits)
        case commands.MusicStop(music_id=music_id):
            return music.StopMusic(music_id=music_id)
        case commands.MusicPause(music_id=music_id):
            return music.PauseMusic(music_id=music_id)
        case commands.MusicResume(music_id=music_id):
            return music.ResumeMusic(music_id=music_id)
        case commands.MusicSetGain(music_id=music_id, target=target, fade_ms=fade_ms):
            return music.SetMusicGain(music_id=music_id, target=target, fade_ms=fade_ms)


def subscription(command: commands.SubscribeUser) -> capture.Subscribe:
    """Translate a wish to hear somebody to what his capture actor understands."""
    return capture.Subscribe(
        capture_id=command.capture_id,
        sample_rate_hz=command.sample_rate,
        silence_duration_ms=command.silence_duration_ms,
        timeline=command.timeline,
        pre_roll_ms=command.pre_roll_ms,
        min_speech_ms=command.min_speech_ms,
    )


def video_message(
    command: commands.SubscribeUserVideo | commands.UnsubscribeUserVideo, connection_id: ConnectionId | None
) -> video.SubscribeVideo | video.UnsubscribeVideo:
    """Translate a wish to see somebody; `connection_id` tells whether the parent decodes VP8 itself."""
    match command:
        case commands.SubscribeUserVideo():
            return video.SubscribeVideo(
                user_id=command.user_id,
                max_frames_per_second=command.max_frames_per_second,
                quality=command.preferred_quality,
                pixel_count=command.preferred_pixel_count,
                stream_type=command.preferred_stream_type,
                jpeg_quality=command.jpeg_quality,
                decode_vp8=dialects.decodes_vp8(connection_id),
            )
        case commands.UnsubscribeUserVideo(user_id=user_id):
            return video.UnsubscribeVideo(user_id=user_id)


PublishCommand = (
    commands.StreamPublishPlay
    | commands.StreamPublishPlayVisualizer
    | commands.StreamPublishBrowserStart
    | commands.StreamPublishBrowserFrame
    | commands.StreamPublishStop
    | commands.StreamPublishPause
    | commands.StreamPublishResume
)
"""Commands that the publish actor carries out."""


def publish_message(command: PublishCommand) -> Message:
    """Translate a command about our own Go Live stream."""
    match command:
        case commands.StreamPublishPlay():
            return publish.PublishUrl(
                url=command.url, direct=command.resolved_direct_url, with_audio=command.with_audio
            )
        case commands.StreamPublishPlayVisualizer():
            return publish.PublishUrl(
                url=command.url,
                direct=command.resolved_direct_url,
                with_audio=command.with_audio,
                visualizer_mode=command.visualizer_mode,
            )
        case commands.StreamPublishBrowserStart():
            refusal = None if command.is_png else "stream_publish_browser_start_unsupported_mime_type"
            return publish.PublishBrowser(refusal=refusal)
        case commands.StreamPublishBrowserFrame():
            return _browser_picture(command)
        case commands.StreamPublishStop():
            return publish.PublishStop()
        case commands.StreamPublishPause():
            return publish.PublishPause()
        case commands.StreamPublishResume():
            return publish.PublishResume()


def _browser_picture(command: commands.StreamPublishBrowserFrame) -> publish.BrowserPicture:
    png, refusal = _opened_picture(command)
    return publish.BrowserPicture(png=png, refusal=refusal, captured_at_ms=command.captured_at_ms)


def _opened_picture(command: commands.StreamPublishBrowserFrame) -> tuple[bytes | None, str | None]:
    """Return the picture, or the reason why there is none."""
    if not command.is_png:
        return None, "stream_publish_browser_frame_unsupported_mime_type"
    decoded = decode_picture(command)
    return (None, decoded) if isinstance(decoded, str) else (bytes(decoded), None)
