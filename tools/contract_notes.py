"""What the types cannot say: which parents send or read a message, an example of each, and the words around them."""

from pathlib import Path
from typing import Any, Final

from clankvox.ids import CaptureId, ChannelId, ConnectionId, GuildId, MusicId, PlaybackId, Role, UserId
from clankvox.ipc import events as e
from clankvox.ipc import stats
from clankvox.ipc import statuses as s
from clankvox.ipc.events import Event
from clankvox.ledger import Fate

ALL: Final = "V M L"
NEW: Final = "addition"
"""Of a message that has no entry below: no generation of parents knows it yet."""

CAPTURED_PCM: Final = """\
## Captured PCM

Format 1, little-endian, of a capture without an id and of one with an id:

```text
u64 userId | u16 peak | u32 active | u32 samples | PCM
u64 userId | u16 peak | u32 active | u32 samples | u16 n | n bytes captureId | PCM
```

`peak` is the largest magnitude, `active` counts samples with a magnitude above 500. The PCM is s16le mono at the rate
of the capture, `samples` * 2 bytes.
"""

COMMAND_GENERATIONS: Final[dict[str, str]] = {
    "join": ALL,
    "leave": "V",
    "voice_server": ALL,
    "voice_state": ALL,
    "stream_watch_connect": ALL,
    "stream_publish_connect": ALL,
    "stream_watch_disconnect": ALL,
    "stream_publish_disconnect": ALL,
    "destroy": ALL,
    "audio": ALL,
    "finish_tts_playback": "V",
    "stop_tts_playback": ALL,
    "stop_playback": ALL,
    "subscribe_user": ALL,
    "unsubscribe_user": ALL,
    "subscribe_user_video": ALL,
    "unsubscribe_user_video": ALL,
    "music_play": ALL,
    "music_stop": ALL,
    "music_pause": ALL,
    "music_resume": ALL,
    "music_set_gain": ALL,
    "stream_publish_play": ALL,
    "stream_publish_play_visualizer": "M L",
    "stream_publish_browser_start": "V L",
    "stream_publish_browser_frame": "V L",
    "stream_publish_stop": ALL,
    "stream_publish_pause": ALL,
    "stream_publish_resume": ALL,
}
"""Who sends it; clankvox takes every command from everybody."""

EVENT_GENERATIONS: Final[dict[str, str]] = {
    "process_ready": "V M",
    "ready": ALL,
    "adapter_send": ALL,
    "connection_state": "V L",
    "transport_state": ALL,
    "dave_state": "V",
    "player_state": ALL,
    "playback_armed": "V L",
    "tts_playback_state": ALL,
    "speaking_start": ALL,
    "speaking_end": ALL,
    "user_audio_end": ALL,
    "user_video_state": "L (not sent to V)",
    "user_video_frame": "L (not sent to V)",
    "decoded_video_frame": ALL,
    "user_video_end": "L (not sent to V)",
    "client_disconnect": "V L",
    "music_idle": ALL,
    "music_error": ALL,
    "music_gain_reached": "V L",
    "stream_publish_media_started": "V",
    "buffer_depth": ALL,
    "tts_buffer_overflow": "V M",
    "transport_stats": "V",
    "error": ALL,
    "log": "L (not sent to V)",
}
"""Who reads it; the others ignore it."""

_STREAM: Final = {
    "endpoint": "stream.example:443",
    "token": "...",
    "serverId": "31",
    "sessionId": "...",
    "userId": "7",
    "daveChannelId": "30",
}
COMMAND_EXAMPLES: Final[dict[str, dict[str, Any]]] = {
    "join": {"connectionId": "c1", "guildId": "10", "channelId": "20"},
    "leave": {"reason": "explicit_leave"},
    "voice_server": {"data": {"endpoint": "voice.example:443", "token": "...", "guild_id": "10"}},
    "voice_state": {"data": {"session_id": "...", "user_id": "7", "channel_id": "20", "guild_id": "10"}},
    "stream_watch_connect": _STREAM,
    "stream_publish_connect": _STREAM,
    "stream_watch_disconnect": {},
    "stream_publish_disconnect": {},
    "audio": {"playbackId": "p1", "pcmBase64": "AAABAAIA", "sampleRate": 24000},
    "finish_tts_playback": {"playbackId": "p1"},
    "stop_tts_playback": {"playbackId": "p1"},
    "subscribe_user": {"userId": "42", "captureId": "k1", "silenceDurationMs": 700, "sampleRate": 24000},
    "subscribe_user_video": {"userId": "42", "maxFramesPerSecond": 2, "jpegQuality": 75},
    "music_play": {"musicId": "m1", "url": "https://media.example/song.mp3", "resolvedDirectUrl": True},
    "music_stop": {"musicId": "m1"},
    "music_pause": {"musicId": "m1"},
    "music_resume": {"musicId": "m1"},
    "music_set_gain": {"musicId": "m1", "target": 0.2, "fadeMs": 150},
    "duck": {"target": 0.2, "attackMs": 150, "releaseMs": 300},
    "stream_publish_play": {"url": "https://media.example/film.mp4", "resolvedDirectUrl": True, "withAudio": True},
    "stream_publish_play_visualizer": {"url": "https://media.example/song.mp3", "visualizerMode": "cqt"},
    "stream_publish_browser_start": {"mimeType": "image/png"},
    "stream_publish_browser_frame": {"mimeType": "image/png", "frameBase64": "iVBORw0K", "capturedAtMs": 1000},
}
"""Fields beside `type`; a command that is missing here gets its required fields."""

_ME, _USER = UserId(7), UserId(42)
_C1, _P1, _K1, _M1 = ConnectionId("c1"), PlaybackId("p1"), CaptureId("k1"), MusicId("m1")
_FATES = dict.fromkeys(Fate, 0) | {Fate.DECODED: 98, Fate.RECOVERED: 1, Fate.CONCEALED: 1}

EVENT_EXAMPLES: Final[tuple[Event, ...]] = (
    e.ProcessReady(protocol_version=e.PROTOCOL_VERSION, version="0.1.0"),
    e.Ready(connection_id=_C1),
    e.AdapterSend.voice_state(GuildId(10), ChannelId(20), self_mute=False),
    e.ConnectionState(status=s.ConnectionStatus.READY, connection_id=_C1),
    e.TransportState(role=Role.STREAM_WATCH, status=s.TransportStatus.DISCONNECTED, reason="stream_watch_disconnect"),
    e.DaveState(role=Role.VOICE, connection_id=_C1, status=s.DaveStatus.READY, protocol_version=1),
    e.PlayerState(status=s.PlayerStatus.PAUSED, music_id=_M1, played_ms=61_020),
    e.PlaybackArmed(reason=s.ArmedReason.CONNECTION_READY),
    e.TtsPlaybackState(playback_id=_P1, status=s.TtsStatus.DRAINED, played_ms=1_240),
    e.SpeakingStart(user_id=_USER),
    e.Recovery(role=Role.VOICE, connection_id=_C1, step="udp", reason="keepalives_unanswered"),
    e.SpeakingEnd(user_id=_USER, capture_id=_K1),
    e.UserAudioEnd(user_id=_USER, capture_id=_K1),
    e.Segment(
        user_id=_USER,
        capture_id=_K1,
        start_ms=8_120.0,
        end_ms=9_640.0,
        speech_ms=1_380,
        peak=12_044,
        mean_level_dbfs=-23.4,
    ),
    e.UserVideoState(
        user_id=_USER,
        audio_ssrc=111,
        video_ssrc=222,
        codec="H264",
        streams=(
            e.VideoStream(
                ssrc=222,
                rtx_ssrc=223,
                rid="100",
                quality=100,
                stream_type="screen",
                active=True,
                max_resolution=e.MaxResolution(width=1280, height=720, type="fixed"),
            ),
        ),
    ),
    e.UserVideoFrame(
        role=Role.VOICE,
        user_id=_USER,
        ssrc=222,
        codec="VP8",
        keyframe=True,
        frame=b"\x10\x02\x00",
        rtp_timestamp=90_000,
        stream_type="video",
        rid="100",
        dave_decrypted=True,
    ),
    e.DecodedVideoFrame(
        role=Role.STREAM_WATCH,
        user_id=_USER,
        ssrc=222,
        width=1280,
        height=720,
        jpeg=b"\xff\xd8\xff",
        rtp_timestamp=90_000,
        stream_type="screen",
        rid="100",
        change_score=0.01,
        ema_change_score=0.02,
        is_scene_cut=False,
    ),
    e.UserVideoEnd(user_id=_USER, ssrc=222),
    e.ClientDisconnect(user_id=_USER),
    e.MusicIdle(music_id=_M1, played_ms=184_300),
    e.MusicError(music_id=_M1, code=s.MusicErrorCode.HTTP_403, message="HTTP 403 of [redacted-url]"),
    e.MusicGainReached(music_id=_M1, gain=0.2),
    e.PlaybackPosition(playback_id=_P1, played_ms=1_000),
    e.StreamPublishMediaStarted(role=Role.STREAM_PUBLISH, connection_generation=1, source_generation=1),
    e.BufferDepth(tts_samples=24_000, music_samples=0),
    e.TtsBufferOverflow(playback_id=_P1, dropped_samples=960, dropped_ms=20, buffer_samples=720_960, buffer_ms=15_020),
    e.StreamStats(
        role=Role.VOICE,
        user_id=_USER,
        ssrc=111,
        ended=False,
        expected=100,
        arrived=98,
        missing=2,
        pending=0,
        gaps=2,
        restarts=0,
        fates=stats.StreamFates(**{str(fate): count for fate, count in _FATES.items()}),
    ),
    e.ErrorEvent(code="invalid_request", message="connectionId is blank"),
    e.Log(level=s.LogLevel.INFO, target="clankvox::router", message="clankvox_dave_state", fields={"status": "ready"}),
)
"""An event that is missing here gets an example made of its types."""

INTRODUCTION: Final = (Path(__file__).parent / "contract_head.md").read_text()

_CONNECTING: Final = (
    "Answered by `transport_state` `connecting`, then `ready` and `dave_state`, or `error` and `failed`. A connection "
    "of that role that is there ends first."
)
_DISCONNECTING: Final = (
    "Answered by `dave_state` `cleared` and `transport_state` `disconnected` with the `reason`, also where nothing was "
    "connected."
)
ANSWERS: Final[dict[str, str]] = {
    "join": (
        "Answered by `adapter_send` (op 4). When both of Discord's answers were passed on: `connection_state` `ready`, "
        "`transport_state` `ready`, `ready`, `playback_armed`, then `dave_state`. A call that is replaced ends first: "
        "its playback, music, encryption and captures, under its own id, before the new op 4; no `disconnected`. As "
        "long as the parent's gateway does not answer op 4 nothing is said, however long: the limit is the parent's. A "
        "server that cannot be reached shows as `reconnecting` before any `ready`, with one `adapter_send` a try; "
        "`error` `voice_connect_failed` and `disconnected` follow within 75 s of the credentials."
    ),
    "leave": (
        "Answered by `adapter_send` with channel null, the ends of all that was going on, `dave_state` `cleared`, "
        "`connection_state` and `transport_state` `disconnected`. Without a call: nothing. A call that clankvox has "
        "given up (`error`, `disconnected`, then the ends and `dave_state` `cleared`) was ended without op 4, so that "
        "Discord may still show the account in the channel: `leave` is then answered by `adapter_send` alone, with no "
        "second `disconnected`. After channel null there is no answer; where the reason was `internal_error` there may "
        "be none either."
    ),
    "voice_server": (
        "Connects as soon as all six of guild, channel, user, session, endpoint and token are known, in any order. "
        "Another server during a call is a move: `reconnecting`, never `disconnected`."
    ),
    "voice_state": (
        "Channel null is a leave without op 4 (reason `gateway_voice_state_left`). Data of another guild than the "
        "call's are passed over."
    ),
    "stream_watch_connect": _CONNECTING,
    "stream_publish_connect": _CONNECTING,
    "stream_watch_disconnect": _DISCONNECTING,
    "stream_publish_disconnect": f"{_DISCONNECTING} What was published ends with it.",
    "destroy": (
        "Commands before it take effect first, each within 2 s; from then on it ends with code 0 within 250 ms. Op 4 "
        "is sent by `leave` only."
    ),
    "audio": (
        "Answered by `buffer_depth` (with an id) and once by `tts_playback_state` `buffered`; `started` when the first "
        "audible packet left. One playback at a time; at most 15 s wait. A chunk that is refused is `failed` with a "
        "reason of [TtsReason](#words), and without an id it is passed over. With that, and with every `failed` of a "
        "playback that is under way, its id has ended: what waits of it is thrown away, and later chunks of it are "
        "`playback_already_failed` (the last 64 such ids are kept). To say it after all takes an id that was never "
        "used, and no other playback under way: stop that one, or wait for its `drained`."
    ),
    "finish_tts_playback": "Answered by `tts_playback_state` `drained` when all of it and a tail of 100 ms have left.",
    "stop_tts_playback": "Answered by `tts_playback_state` `stopped`, or `idle` without an id. Music goes on.",
    "stop_playback": (
        "Answered by the end of the playback, `player_state` `idle`, `music_idle` if there was music, and "
        "[`playback_armed`](#playback_armed)."
    ),
    "subscribe_user": (
        "Answered by nothing. PCM comes as frames of format 1 (2 with `timeline`) and ends with `user_audio_end`, "
        "`silenceDurationMs` after the last packet. May be sent before a call; two seconds of speech are kept for it. "
        "A user has one capture a role: a `subscribe_user` ends the one before, with an id or without, and only where "
        "neither has one it changes it. A user who leaves ends his, also one without an id."
    ),
    "unsubscribe_user": "Answered by `user_audio_end` if sound had flowed.",
    "subscribe_user_video": (
        "On voice and stream_watch. Pictures come as `decoded_video_frame`; VP8 without a `connectionId` as "
        "`user_video_frame`. Stands until `unsubscribe_user_video`, over the end of a call and where the user leaves."
    ),
    "unsubscribe_user_video": "Answered by nothing; the server is told that nothing of the user is wanted any more.",
    "music_play": (
        "Answered by `player_state` `loading` and `playing`, or `music_error`. The music before it goes on until the "
        "new one has sound, then fades over in 300 ms; from silence it fades in over 1.5 s. An id that is under way "
        "already begins anew, and has one end: the last one's. A source has 15 s to its first PCM (a page 30 s, yt-dlp "
        "included). One that breaks after that, or sends nothing for 10 s (unless it is live), is opened anew at its "
        "position, up to five times within 30 s and as often again after 5 s of sound. `music_error` has one of [these "
        "codes](#words)."
    ),
    "music_stop": (
        "Fades out in 300 ms; answered by `player_state` `idle`, `music_idle` if there was music, and "
        "[`playback_armed`](#playback_armed). So is one without an id where there is no music, at once."
    ),
    "music_pause": "Answered by `player_state` `paused` and [`playback_armed`](#playback_armed).",
    "music_resume": "Answered by `player_state` `playing`, or `loading` if there was no sound yet.",
    "music_set_gain": "Answered by [`music_gain_reached`](#music_gain_reached) when the ramp has ended.",
    "duck": "Answered by nothing. Off until it is said; then it holds for every piece, over the end of a call too.",
    "stream_publish_play": (
        "Answered by `transport_state` of stream_publish: `playing`, `waiting_for_transport` or `failed`; "
        "`stream_publish_media_started` with the first picture that left; `ready` `stream_publish_idle` at its end. "
        "The same order once more lets the source go on where it is, and resumes it if it was paused: to begin anew "
        "takes `stream_publish_stop` first."
    ),
    "stream_publish_play_visualizer": (
        "Answered as `stream_publish_play` is. `visualizerMode` is `cqt`, `spectrum`, `waves` or `vectorscope`; "
        "anything else is taken for `cqt`."
    ),
    "stream_publish_browser_start": (
        "Answered as `stream_publish_play` is; `failed` for any type but `image/png`, the only one there is."
    ),
    "stream_publish_browser_frame": (
        "Answered by nothing. What cannot be shown is told by `transport_state` with a reason: `waiting_for_transport` "
        "if nothing was started, else `failed`. Passed over during a pause; four wait, then the oldest goes."
    ),
    "stream_publish_stop": (
        "Answered by `transport_state` `ready`, or `disconnected` without a connection, `stream_publish_stopped`."
    ),
    "stream_publish_pause": "Answered by `transport_state` `paused`; without a source by nothing.",
    "stream_publish_resume": (
        "Answered by `transport_state` `playing`, or `waiting_for_transport` without a connection; by nothing if "
        "nothing was paused."
    ),
    "inspect": "Answered by the event of the same name.",
}
"""What follows a command."""
