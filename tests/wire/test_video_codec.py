from clankvox.ids import Role
from clankvox.protocol.session_offer import CODECS
from clankvox.wire.video_codec import VIDEO_PAYLOADS, VideoCodec, VideoPayload


def test_the_payload_types_are_those_that_a_watcher_declares():
    declared = {}
    for codec in CODECS[Role.STREAM_WATCH]:
        if codec.type == "video":
            declared[codec.payload_type] = VideoPayload(VideoCodec(codec.name), repair=False)
            declared[codec.rtx_payload_type] = VideoPayload(VideoCodec(codec.name), repair=True)
    assert declared == VIDEO_PAYLOADS
