import json

import pytest

from clankvox.errors import WireError
from clankvox.protocol.gateway_effects import MemberDisconnected, MembersConnected, SpeakingAnnounced, VideoAnnounced
from clankvox.protocol.gateway_news import news_of
from clankvox.wire.gateway_ops import decode_json


def news(op, data):
    return news_of(decode_json(json.dumps({"op": op, "d": data})))


def test_what_is_announced_of_others():
    assert news(5, {"user_id": "9", "ssrc": 77, "speaking": 1}) == [SpeakingAnnounced(9, 77, 1)]
    assert news(11, {"user_ids": ["8", "9"]}) == [MembersConnected((8, 9))]
    assert news(13, {"user_id": "9"}) == [MemberDisconnected(9)]


@pytest.mark.parametrize("op", [12, 18])
def test_a_video_state_has_two_numbers(op):
    (video,) = news(op, {"user_id": "9", "audio_ssrc": 77, "video_ssrc": 78})
    assert isinstance(video, VideoAnnounced)
    assert (video.user_id, video.video.video_ssrc) == (9, 78)


def test_a_video_state_without_video_is_a_member_who_left_on_older_servers():
    assert news(12, {"user_id": "9"}) == [MemberDisconnected(9)]


@pytest.mark.parametrize(("op", "data"), [(18, {"user_id": "9", "flags": 2}), (20, {}), (8, {}), (999, None)])
def test_what_is_none_of_our_business_is_no_news(op, data):
    assert news(op, data) == []


@pytest.mark.parametrize(("op", "data"), [(5, {"ssrc": 7, "speaking": 1}), (11, {"user_ids": ["x"]}), (13, {})])
def test_what_cannot_be_read_is_an_error(op, data):
    with pytest.raises(WireError):
        news(op, data)
