from clankvox.wire.rtp import parse_extensions
from clankvox.wire.video_extensions import VideoExtension, abs_send_time, build_video_extensions


def test_the_body_is_the_documented_bytes():
    body = build_video_extensions(now=2.5, transport_sequence=0x1_0203)
    assert body == bytes.fromhex("32 0a0000 51 0203 62 000000 70 01 b2 313030 000000".replace(" ", ""))
    assert len(body) == 20


def test_a_retransmission_names_the_layer_that_it_repairs():
    elements = parse_extensions(build_video_extensions(1.0, 1, repair=True))
    assert elements[VideoExtension.REPAIRED_RID] == b"100"
    assert VideoExtension.RID not in elements


def test_the_send_time_wraps_after_64_seconds():
    assert abs_send_time(1.0) == abs_send_time(65.0) == b"\x04\x00\x00"
