import pytest

from clankvox.ids import UserId
from clankvox.loopback.garbling import Garbling
from clankvox.wire import rtp

FRAME, EXTENSION = b"a sealed frame", b"\x10\xa0\0\0"
AUDIO, VIDEO = (
    rtp.parse_header(rtp.build_header(payload_type=kind, sequence=3, timestamp=4, ssrc=5)) for kind in (120, 103)
)
SOMEBODY, ANOTHER = UserId(1), UserId(2)


def spoilt(garbling, sender=SOMEBODY, header=AUDIO, frame=FRAME):
    """What became of the plaintext of a packet: its extension, its frame and its padding."""
    plaintext = garbling.spoil(sender, header, frame, EXTENSION + rtp.pad(frame, 4))
    return plaintext[: len(EXTENSION)], plaintext[len(EXTENSION) : -4], plaintext[-4:]


def test_a_frame_is_spoilt_and_what_stands_around_it_is_not():
    extension, frame, padding = spoilt(Garbling("audio", None, until_new_group=False))
    assert (extension, padding) == (EXTENSION, b"\0\0\0\x04")
    assert frame != FRAME
    assert (len(frame), frame[1:]) == (len(FRAME), FRAME[1:])


@pytest.mark.parametrize(
    ("media", "of", "how"),
    [
        ("audio", None, {"header": VIDEO}),
        ("video", None, {"header": AUDIO}),
        ("audio", ANOTHER, {}),
        ("audio", None, {"frame": rtp.SILENCE_FRAME}),
        ("audio", None, {"frame": b""}),
    ],
)
def test_what_is_not_meant_stays(media, of, how):
    assert spoilt(Garbling(media, of, until_new_group=False), **how)[1] == how.get("frame", FRAME)
