"""Golden JSON: every example of the contract, byte for byte."""

import json

import msgspec
import pytest

from clankvox.ids import CaptureId, ChannelId, ConnectionId, GuildId, MusicId, PlaybackId, Role, UserId
from clankvox.ipc.events import (
    EVENTS,
    PROTOCOL_VERSION,
    ActorView,
    AdapterSend,
    BufferDepth,
    ClientDisconnect,
    ConnectionState,
    DaveState,
    DecodedVideoFrame,
    ErrorEvent,
    Inspect,
    Log,
    MaxResolution,
    MusicError,
    MusicGainReached,
    MusicIdle,
    PlaybackArmed,
    PlaybackPosition,
    PlayerState,
    ProcessReady,
    Ready,
    Recovery,
    Segment,
    SpeakingEnd,
    SpeakingStart,
    StreamPublishMediaStarted,
    StreamStats,
    TimerView,
    TransportState,
    TransportStats,
    TtsBufferOverflow,
    TtsPlaybackState,
    UserAudioEnd,
    UserVideoEnd,
    UserVideoFrame,
    UserVideoState,
    VideoStream,
    encode_event,
)
from clankvox.ipc.stats import (
    InboundAudioStats,
    InboundVideoStats,
    LaneStats,
    LinkStats,
    MailboxStats,
    OutboundStats,
    RestartStats,
    StreamFates,
    TickStats,
)
from clankvox.ipc.statuses import (
    ArmedReason,
    ConnectionStatus,
    DaveStatus,
    ErrorCode,
    LaneName,
    LogLevel,
    MusicErrorCode,
    PlayerStatus,
    TransportStatus,
    TtsReason,
    TtsStatus,
)
from clankvox.ledger import Fate

C1 = ConnectionId("c1")
K1 = CaptureId("k1")
M1 = MusicId("m1")
P1 = PlaybackId("p1")
USER = UserId(42)
CHANNEL = ChannelId(20)


def zeros(kind):
    return kind(**dict.fromkeys(kind.__struct_fields__, 0))


STATS = TransportStats(
    uptime_ms=123,
    tick=zeros(TickStats),
    ipc_lanes=zeros(LaneStats),
    inbound_audio=zeros(InboundAudioStats),
    inbound_video=zeros(InboundVideoStats),
    outbound=zeros(OutboundStats),
    restarts=zeros(RestartStats),
    audio_fates=zeros(StreamFates),
    links=zeros(LinkStats),
    mailboxes=zeros(MailboxStats),
)
STREAM = VideoStream(
    ssrc=222,
    rtx_ssrc=333,
    rid="100",
    quality=100,
    stream_type="screen",
    active=True,
    max_resolution=MaxResolution(width=1280, height=720, type="fixed"),
)

GOLDEN = [
    (ProcessReady(protocol_version=PROTOCOL_VERSION), '{"type":"process_ready","protocolVersion":1}'),
    (
        ProcessReady(protocol_version=1, version="0.1.0"),
        '{"type":"process_ready","protocolVersion":1,"version":"0.1.0"}',
    ),
    (Ready(connection_id=C1), '{"type":"ready","connectionId":"c1"}'),
    (Ready(), '{"type":"ready"}'),
    (
        AdapterSend.voice_state(GuildId(10), CHANNEL, self_mute=False),
        '{"type":"adapter_send","payload":{"op":4,"d":{"guild_id":"10","channel_id":"20","self_mute":false,"self_deaf":false}}}',
    ),
    (
        AdapterSend.voice_state(GuildId(10), None, self_mute=False),
        '{"type":"adapter_send","payload":{"op":4,"d":{"guild_id":"10","channel_id":null,"self_mute":false,"self_deaf":false}}}',
    ),
    (
        ConnectionState(status=ConnectionStatus.RECONNECTING, connection_id=C1),
        '{"type":"connection_state","status":"reconnecting","connectionId":"c1"}',
    ),
    (ConnectionState(status=ConnectionStatus.READY), '{"type":"connection_state","status":"ready"}'),
    (
        TransportState(role=Role.VOICE, connection_id=C1, status=TransportStatus.READY),
        '{"type":"transport_state","role":"voice","connectionId":"c1","status":"ready"}',
    ),
    (
        TransportState(role=Role.VOICE, status=TransportStatus.READY),
        '{"type":"transport_state","role":"voice","status":"ready"}',
    ),
    (
        TransportState(role=Role.STREAM_WATCH, status=TransportStatus.DISCONNECTED, reason="stream_deleted"),
        '{"type":"transport_state","role":"stream_watch","status":"disconnected","reason":"stream_deleted"}',
    ),
    (
        Recovery(role=Role.VOICE, connection_id=C1, step="udp", reason="keepalives_unanswered"),
        '{"type":"recovery","role":"voice","connectionId":"c1","step":"udp","reason":"keepalives_unanswered"}',
    ),
    (
        DaveState(role=Role.VOICE, connection_id=C1, status=DaveStatus.NEGOTIATING, protocol_version=1),
        '{"type":"dave_state","role":"voice","connectionId":"c1","status":"negotiating","protocolVersion":1}',
    ),
    (
        DaveState(role=Role.STREAM_PUBLISH, status=DaveStatus.CLEARED),
        '{"type":"dave_state","role":"stream_publish","status":"cleared"}',
    ),
    (
        PlayerState(status=PlayerStatus.LOADING, music_id=M1),
        '{"type":"player_state","status":"loading","musicId":"m1"}',
    ),
    (PlayerState(status=PlayerStatus.PLAYING), '{"type":"player_state","status":"playing"}'),
    (PlaybackArmed(reason=ArmedReason.CONNECTION_READY), '{"type":"playback_armed","reason":"connection_ready"}'),
    (
        TtsPlaybackState(playback_id=P1, status=TtsStatus.STARTED),
        '{"type":"tts_playback_state","playbackId":"p1","status":"started"}',
    ),
    (
        TtsPlaybackState(playback_id=P1, status=TtsStatus.FAILED, reason=TtsReason.MUSIC_NOT_DUCKED),
        '{"type":"tts_playback_state","playbackId":"p1","status":"failed","reason":"music_not_ducked"}',
    ),
    (TtsPlaybackState(status=TtsStatus.IDLE), '{"type":"tts_playback_state","status":"idle"}'),
    (SpeakingStart(user_id=USER), '{"type":"speaking_start","userId":"42"}'),
    (SpeakingStart(user_id=USER, capture_id=K1), '{"type":"speaking_start","userId":"42","captureId":"k1"}'),
    (SpeakingEnd(user_id=USER, capture_id=K1), '{"type":"speaking_end","userId":"42","captureId":"k1"}'),
    (SpeakingEnd(user_id=USER), '{"type":"speaking_end","userId":"42"}'),
    (UserAudioEnd(user_id=USER, capture_id=K1), '{"type":"user_audio_end","userId":"42","captureId":"k1"}'),
    (
        Segment(
            user_id=USER, capture_id=K1, start_ms=1000.5, end_ms=1800.5, speech_ms=620, peak=9000, mean_level_dbfs=-23.4
        ),
        '{"type":"segment","userId":"42","captureId":"k1","startMs":1000.5,"endMs":1800.5,"speechMs":620,"peak":9000,"meanLevelDbfs":-23.4}',
    ),
    (
        StreamStats(
            role=Role.VOICE,
            user_id=USER,
            ssrc=7,
            ended=True,
            expected=5,
            arrived=4,
            missing=1,
            pending=0,
            gaps=1,
            restarts=0,
            fates=StreamFates(**{fate: number for number, fate in enumerate(Fate)}),
        ),
        '{"type":"stream_stats","role":"voice","userId":"42","ssrc":7,"ended":true,"expected":5,"arrived":4,"missing":1,"pending":0,"gaps":1,"restarts":0,"fates":{"decoded":0,"quiet":1,"empty":2,"uncaptured":3,"unspoken":4,"boundaryDropped":5,"recovered":6,"concealed":7,"silenced":8,"lost":9,"late":10,"duplicate":11,"aeadFailed":12,"malformed":13,"unencrypted":14,"noGroup":15,"noKey":16,"unknownSsrc":17,"codecFailed":18,"otherSsrc":19,"discarded":20}}',
    ),
    (UserAudioEnd(user_id=USER), '{"type":"user_audio_end","userId":"42"}'),
    (
        UserVideoState(user_id=USER, audio_ssrc=111, video_ssrc=222, codec="H264", streams=(STREAM,)),
        '{"type":"user_video_state","userId":"42","audioSsrc":111,"videoSsrc":222,"codec":"H264","streams":[{"ssrc":222,"rtxSsrc":333,"rid":"100","quality":100,"streamType":"screen","active":true,"maxResolution":{"width":1280,"height":720,"type":"fixed"}}]}',
    ),
    (UserVideoState(user_id=USER, streams=()), '{"type":"user_video_state","userId":"42","streams":[]}'),
    (
        UserVideoFrame(
            role=Role.VOICE,
            user_id=USER,
            ssrc=222,
            codec="VP8",
            keyframe=True,
            frame=bytes(3),
            rtp_timestamp=444,
            stream_type="video",
            rid="100",
            dave_decrypted=True,
        ),
        '{"type":"user_video_frame","role":"voice","userId":"42","ssrc":222,"codec":"VP8","keyframe":true,"frameBase64":"AAAA","rtpTimestamp":444,"streamType":"video","rid":"100","daveDecrypted":true}',
    ),
    (
        DecodedVideoFrame(
            role=Role.STREAM_WATCH,
            user_id=USER,
            ssrc=4001,
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
        '{"type":"decoded_video_frame","role":"stream_watch","userId":"42","ssrc":4001,"width":1280,"height":720,"jpegBase64":"/9j/","rtpTimestamp":90000,"streamType":"screen","rid":"100","changeScore":0.01,"emaChangeScore":0.02,"isSceneCut":false}',
    ),
    (UserVideoEnd(user_id=USER, ssrc=222), '{"type":"user_video_end","userId":"42","ssrc":222}'),
    (UserVideoEnd(user_id=USER), '{"type":"user_video_end","userId":"42"}'),
    (ClientDisconnect(user_id=USER), '{"type":"client_disconnect","userId":"42"}'),
    (MusicIdle(music_id=M1), '{"type":"music_idle","musicId":"m1"}'),
    (MusicIdle(), '{"type":"music_idle"}'),
    (
        MusicError(music_id=M1, code=MusicErrorCode.HTTP_403, message="[redacted-url]"),
        '{"type":"music_error","musicId":"m1","code":"http_403","message":"[redacted-url]"}',
    ),
    (
        MusicError(code=MusicErrorCode.NO_AUDIO, message="m"),
        '{"type":"music_error","code":"no_audio","message":"m"}',
    ),
    (MusicGainReached(music_id=M1, gain=0.2), '{"type":"music_gain_reached","musicId":"m1","gain":0.2}'),
    (PlaybackPosition(playback_id=P1, played_ms=20), '{"type":"playback_position","playbackId":"p1","playedMs":20}'),
    (PlaybackPosition(music_id=M1, played_ms=20), '{"type":"playback_position","musicId":"m1","playedMs":20}'),
    (MusicGainReached(gain=0.15), '{"type":"music_gain_reached","gain":0.15}'),
    (
        StreamPublishMediaStarted(role=Role.STREAM_PUBLISH, connection_generation=1, source_generation=1),
        '{"type":"stream_publish_media_started","role":"stream_publish","connectionGeneration":1,"sourceGeneration":1}',
    ),
    (BufferDepth(tts_samples=9_600, music_samples=0), '{"type":"buffer_depth","ttsSamples":9600,"musicSamples":0}'),
    (
        TtsBufferOverflow(playback_id=P1, dropped_samples=960, dropped_ms=20, buffer_samples=720_960, buffer_ms=15_020),
        '{"type":"tts_buffer_overflow","playbackId":"p1","droppedSamples":960,"droppedMs":20,"bufferSamples":720960,"bufferMs":15020}',
    ),
    (
        TtsBufferOverflow(dropped_samples=960, dropped_ms=20, buffer_samples=720_960, buffer_ms=15_020),
        '{"type":"tts_buffer_overflow","droppedSamples":960,"droppedMs":20,"bufferSamples":720960,"bufferMs":15020}',
    ),
    (ErrorEvent(code="invalid_json", message="m"), '{"type":"error","code":"invalid_json","message":"m"}'),
    (
        ErrorEvent(code=ErrorCode.VOICE_RUNTIME_ERROR, message="m", role=Role.VOICE, connection_id=C1),
        '{"type":"error","code":"voice_runtime_error","message":"m","role":"voice","connectionId":"c1"}',
    ),
    (
        ErrorEvent(code=ErrorCode.STREAM_WATCH_CONNECT_FAILED, message="m", role=Role.STREAM_WATCH),
        '{"type":"error","code":"stream_watch_connect_failed","message":"m","role":"stream_watch"}',
    ),
    (
        Log(level=LogLevel.INFO, target="clankvox::voice_conn", message="clankvox_voice_ready", fields={"ssrc": 1}),
        '{"type":"log","level":"info","target":"clankvox::voice_conn","message":"clankvox_voice_ready","fields":{"ssrc":1}}',
    ),
]


@pytest.mark.parametrize(("event", "golden"), GOLDEN, ids=lambda value: value if isinstance(value, str) else "")
def test_an_event_is_exactly_what_the_contract_shows(event, golden):
    assert encode_event(event).decode() == golden


def test_every_event_of_the_registry_has_a_golden_line():
    shown_by_keys = {"transport_stats", "inspect"}  # their own tests below: additions come with every version
    assert {json.loads(golden)["type"] for _, golden in GOLDEN} | shown_by_keys == set(EVENTS)


@pytest.mark.parametrize("event", EVENTS.values())
def test_an_optional_field_defaults_to_none_so_that_it_is_omitted_and_never_null(event):
    # any other default would be omitted too, although the contract wants it said
    assert {field.default for field in msgspec.structs.fields(event) if not field.required} <= {None}


def test_a_stream_of_nobody_known_has_no_user():
    fates = StreamFates(**dict.fromkeys(Fate, 0))
    counts = dict.fromkeys(("expected", "arrived", "missing", "pending", "gaps", "restarts"), 0)
    event = StreamStats(role=Role.VOICE, ssrc=7, ended=False, fates=fates, **counts)
    assert "userId" not in json.loads(encode_event(event))


def test_only_what_ends_audio_is_in_the_audio_lane_and_only_pictures_are_in_the_video_lane():
    by_lane = {lane: {tag for tag, event in EVENTS.items() if event.lane is lane} for lane in LaneName}
    assert by_lane[LaneName.AUDIO] == {"user_audio_end", "segment"}
    assert by_lane[LaneName.VIDEO] == {"user_video_frame", "decoded_video_frame"}


def test_only_telemetry_may_be_coalesced():
    assert {tag for tag, event in EVENTS.items() if event.is_telemetry} == {
        "buffer_depth",
        "playback_position",
        "transport_stats",
        "stream_stats",
        "log",
    }
    assert STATS.coalesce_key == "transport_stats"
    assert ClientDisconnect(user_id=USER).coalesce_key is None


def test_the_largest_snowflake_keeps_all_its_digits():
    assert encode_event(ClientDisconnect(user_id=UserId(2**64 - 1))).endswith(b'"18446744073709551615"}')


def test_transport_stats_have_the_groups_and_keys_of_the_contract_and_additions_behind_them():
    told = json.loads(encode_event(STATS))
    contract = {
        "tick": ["total", "skipped", "slipEvents", "maxGapMs"],
        "ipcLanes": ["controlDropped", "audioDropped", "videoDropped"],
        "inboundAudio": ["packets", "transportDecryptFail", "daveDecryptFail", "forwardLossGaps", "concealedFrames"],
        "inboundVideo": ["framesEmitted", "decodeDropped", "daveDecryptOk", "daveDecryptFail", "davePassthrough"],
        "outbound": ["rtpAudioSent", "daveEncryptFail"],
    }
    assert list(told) == ["type", "uptimeMs", *contract, "restarts", "audioFates", "links", "mailboxes"]
    for group, keys in contract.items():
        assert list(told[group])[: len(keys)] == keys
        assert all(type(value) in (int, float) for value in told[group].values())


def test_a_description_of_all_actors_holds_the_counters_as_well():
    actor = ActorView(
        kind="capture",
        role="voice",
        user_id="42",
        state="armed",
        mailbox=0,
        mailbox_deepest=3,
        timers=(TimerView(name="SilenceElapsed", due_ms=700),),
        failures={"ValueError": 1},
        details={"speaking": "silent"},
    )
    event = Inspect(actors=(actor,), silent=("voice dave",), queues={}, restarts=STATS.restarts, counters=STATS)
    told = json.loads(encode_event(event))
    assert list(told) == ["type", "actors", "silent", "queues", "restarts", "counters"]
    assert told["actors"] == [
        {
            "kind": "capture",
            "role": "voice",
            "userId": "42",
            "state": "armed",
            "mailbox": 0,
            "mailboxDeepest": 3,
            "timers": [{"name": "SilenceElapsed", "dueMs": 700}],
            "failures": {"ValueError": 1},
            "details": {"speaking": "silent"},
        }
    ]
    assert told["counters"]["uptimeMs"] == 123
