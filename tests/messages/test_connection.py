"""Messages travel through logs and failure reports: their reprs hold no secret."""

from clankvox.messages.connection import SocketBinary, SocketText, VoiceServerUpdated, VoiceStateUpdated
from clankvox.messages.playback import PlayTts


def test_no_repr_shows_a_secret():
    shown = [
        repr(VoiceServerUpdated(endpoint="s3cret", token="s3cret", guild_id=1)),
        repr(VoiceStateUpdated(session_id="s3cret", user_id=1)),
        repr(SocketText(attempt=1, text="s3cret")),
        repr(SocketBinary(attempt=1, data=b"s3cret")),
        repr(PlayTts(playback_id="p", pcm=bytearray(b"s3cret"), refusal=None, sample_rate_hz=24_000)),
    ]
    assert not [text for text in shown if "s3cret" in text or "\\x" in text]
    assert "6 chars" in shown[2]
    assert "6 bytes" in shown[3]
