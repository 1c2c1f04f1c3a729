"""What a decoded command guarantees by itself: defaults, ranges, ids."""

import json

import pytest
from msgspec import UNSET

from clankvox.errors import InvalidRequest
from clankvox.ids import Role
from clankvox.ipc.commands import (
    COMMANDS,
    Audio,
    Duck,
    Join,
    Leave,
    MusicPlay,
    MusicSetGain,
    StreamPublishBrowserFrame,
    StreamPublishBrowserStart,
    StreamPublishPlay,
    StreamPublishPlayVisualizer,
    SubscribeUser,
    SubscribeUserVideo,
    VoiceServer,
    VoiceServerData,
    VoiceState,
    VoiceStateData,
)
from clankvox.ipc.decoding import decode_command

CONTRACT = {
    *("join", "leave", "voice_server", "voice_state", "destroy"),
    *("stream_watch_connect", "stream_watch_disconnect", "stream_publish_connect", "stream_publish_disconnect"),
    *("audio", "finish_tts_playback", "stop_tts_playback", "stop_playback"),
    *("subscribe_user", "unsubscribe_user", "subscribe_user_video", "unsubscribe_user_video"),
    *("music_play", "music_stop", "music_pause", "music_resume", "music_set_gain"),
    *("stream_publish_play", "stream_publish_play_visualizer", "stream_publish_browser_start"),
    *("stream_publish_browser_frame", "stream_publish_stop", "stream_publish_pause", "stream_publish_resume"),
}
ADDITIONS = {"duck", "inspect"}


def decode(text, **fields):
    return decode_command(json.dumps({"type": text, **fields}).encode())


def test_the_registry_is_the_contract_and_its_additions():
    assert set(COMMANDS) == CONTRACT | ADDITIONS


def test_commands_cannot_be_changed():
    with pytest.raises(AttributeError):
        Leave().reason = "other"


def test_joins_of_each_generation():
    legacy = decode("join", guildId="10", channelId="20", selfMute=True, selfDeaf=True)
    assert legacy == Join(guild_id=10, channel_id=20, self_mute=True, self_deaf=True)
    correlated = decode("join", connectionId="c1", guildId="10", channelId="20")
    assert correlated == Join(connection_id="c1", guild_id=10, channel_id=20, self_mute=False)


def test_reasons_have_defaults():
    assert decode("leave").reason == "explicit_leave"
    assert decode("leave", reason="kicked").reason == "kicked"
    assert decode("stream_watch_disconnect", reason=None).reason == "stream_watch_disconnect"
    assert decode("stream_publish_disconnect").reason == "stream_publish_disconnect"


def test_a_voice_state_tells_absent_from_null_from_set():
    command = decode("voice_state", data={"session_id": None, "channel_id": "20", "member": {"nick": None}})
    assert command == VoiceState(data=VoiceStateData(session_id=None, user_id=UNSET, channel_id=20))


def test_a_voice_server_takes_missing_for_null():
    command = decode("voice_server", data={"endpoint": "e:443", "guild_id": None, "extra": 1})
    assert command == VoiceServer(data=VoiceServerData(endpoint="e:443", token=None))


@pytest.mark.parametrize("blank", ["", "  "])
def test_a_connection_id_that_was_given_must_not_be_blank(blank):
    with pytest.raises(InvalidRequest):
        decode("join", connectionId=blank, guildId="10", channelId="20")


@pytest.mark.parametrize("tag", ["audio", "finish_tts_playback", "stop_tts_playback"])
def test_a_playback_id_that_was_given_must_not_be_empty(tag):
    with pytest.raises(InvalidRequest):
        decode(tag, playbackId="", pcmBase64="AAAA")
    assert decode(tag, pcmBase64="AAAA").playback_id is None


@pytest.mark.parametrize(
    ("capture_id", "is_valid"), [("", False), ("k", True), ("é" * 32_767, True), ("é" * 32_768, False)]
)
def test_a_capture_id_has_1_to_65535_bytes(capture_id, is_valid):
    if is_valid:
        assert decode("subscribe_user", userId="42", captureId=capture_id).capture_id == capture_id
    else:
        with pytest.raises(InvalidRequest):
            decode("subscribe_user", userId="42", captureId=capture_id)


def test_capture_defaults():
    assert decode("subscribe_user", userId="42") == SubscribeUser(
        user_id=42,
        capture_id=None,
        silence_duration_ms=700,
        sample_rate=24_000,
        role=Role.VOICE,
        timeline=False,
        pre_roll_ms=0,
        min_speech_ms=0,
    )


@pytest.mark.parametrize(
    ("command", "field", "low", "high"),
    [
        (lambda v: SubscribeUser(user_id=1, silence_duration_ms=v), "silence_duration_ms", 100, 5_000),
        (lambda v: SubscribeUser(user_id=1, sample_rate=v), "sample_rate", 8_000, 48_000),
        (lambda v: SubscribeUser(user_id=1, pre_roll_ms=v), "pre_roll_ms", 0, 2_000),
        (lambda v: SubscribeUser(user_id=1, min_speech_ms=v), "min_speech_ms", 0, 5_000),
        (lambda v: SubscribeUserVideo(user_id=1, max_frames_per_second=v), "max_frames_per_second", 1, 30),
        (lambda v: SubscribeUserVideo(user_id=1, preferred_quality=v), "preferred_quality", 0, 100),
        (lambda v: SubscribeUserVideo(user_id=1, jpeg_quality=v), "jpeg_quality", 10, 100),
        (lambda v: MusicSetGain(target=v), "target", 0.0, 1.0),
        (lambda v: Duck(target=v), "target", 0.0, 1.0),
    ],
)
def test_ranges_are_clamped(command, field, low, high):
    assert getattr(command(low - 1), field) == low
    assert getattr(command(high + 1), field) == high
    middle = (low + high) // 2
    assert getattr(command(middle), field) == middle


def test_the_rate_of_speech_to_say_is_not_clamped():
    assert Audio(pcm_base64="", sample_rate=4_000).sample_rate == 4_000


@pytest.mark.parametrize(
    ("pixels", "kept"), [(None, None), (0, None), (1, 4_096), (230_400, 230_400), (2**32 - 1, 8_294_400)]
)
def test_no_pixel_count_means_no_preference(pixels, kept):
    assert SubscribeUserVideo(user_id=1, preferred_pixel_count=pixels).preferred_pixel_count == kept


@pytest.mark.parametrize(("given", "kept"), [(None, None), ("", None), (" ", None), (" Screen ", "screen")])
def test_a_stream_type_is_trimmed_and_lower_case(given, kept):
    assert SubscribeUserVideo(user_id=1, preferred_stream_type=given).preferred_stream_type == kept


def test_video_defaults():
    command = decode("subscribe_user_video", userId="42", jpegQuality=None, preferredPixelCount=None)
    assert (command.max_frames_per_second, command.preferred_quality, command.jpeg_quality) == (2, 100, 75)


def test_urls_are_trimmed():
    assert MusicPlay(url=" u ").url == "u"
    assert StreamPublishPlay(url=" u\n").url == "u"
    assert StreamPublishPlayVisualizer(url=" u ").url == "u"


@pytest.mark.parametrize(("mode", "kept"), [("waves", "waves"), ("cqt", "cqt"), ("disco", "cqt")])
def test_an_unknown_visualizer_is_cqt(mode, kept):
    assert StreamPublishPlayVisualizer(url="u", visualizer_mode=mode).visualizer_mode == kept


@pytest.mark.parametrize(
    ("mime", "is_png"), [("image/png", True), (" IMAGE/PNG ", True), ("image/jpeg", False), ("", False)]
)
def test_only_png_is_taken_from_a_browser(mime, is_png):
    assert StreamPublishBrowserStart(mime_type=mime).is_png is is_png
    assert StreamPublishBrowserFrame(mime_type=mime, frame_base64="").is_png is is_png
