"""A publishing member, as a raw client meets it."""

from itertools import pairwise

import pytest

from clankvox.loopback import h264_payload, vp8_payload
from clankvox.loopback.discord import LoopbackDiscord
from clankvox.wire import gateway_ops as ops
from clankvox.wire import rtcp
from clankvox.wire.gateway_ops import Op
from clankvox.wire.seq import timestamp_delta
from tests.support.video_client import VideoClient


@pytest.fixture
def discord():
    with LoopbackDiscord(tls=False) as running:
        yield running


def publish(discord, **fields):
    options = {"width": 320, "height": 180, "fps": 20, "gop": 3000, **fields}
    discord.command({"type": "add_publisher", "userId": "2", "serverId": "5", "channelId": "6", **options})
    return int(discord.stats(2)["publisher"]["videoSsrc"])


def picture(client, media_ssrc, depacketise=h264_payload.depacketise):
    """The next whole picture as (header of its last packet, decrypted frame)."""
    payloads = []
    while True:
        ((header, payload),) = client.read_video()
        if header.ssrc != media_ssrc:
            continue
        payloads += [payload] if payload else []
        if header.marker:
            client.wait_ready()  # the key comes by TCP
            return header, client.member.decrypt_video(2, depacketise(payloads))


@pytest.fixture
def client(discord):
    with VideoClient(discord, 1) as joined:
        yield joined


def test_it_announces_itself_and_its_pictures_decrypt(discord, client):
    ssrc = publish(discord)
    told = client.wait(Op.VIDEO)
    assert (told["user_id"], told["video_ssrc"]) == ("2", ssrc)
    (stream,) = told["streams"]
    assert (stream["type"], stream["rid"], stream["rtx_ssrc"], stream["active"]) == ("video", "100", ssrc + 1, True)
    assert stream["max_resolution"] == {"type": "fixed", "width": 320, "height": 180}
    assert "max_bitrate" not in stream
    assert client.wait(Op.SPEAKING)["speaking"] == 2
    pictures = [picture(client, ssrc) for _ in range(10)]
    assert h264_payload.is_key(pictures[0][1])
    assert not any(h264_payload.is_key(frame) for _, frame in pictures[1:])
    steps = [timestamp_delta(b.timestamp, a.timestamp) for (a, _), (b, _) in pairwise(pictures)]
    assert all(0 < step < 30_000 for step in steps)
    assert {header.payload_type for header, _ in pictures} == {101}


def test_a_request_for_a_key_frame_is_honoured(discord, client):
    ssrc = publish(discord)
    picture(client, ssrc)
    for request in (rtcp.Pli(client.ssrc, ssrc), rtcp.Fir(client.ssrc, (rtcp.FirRequest(ssrc, 1),))):
        client.send_rtcp(request)
        while not h264_payload.is_key(picture(client, ssrc)[1]):
            pass
    assert discord.stats(2)["publisher"]["plis"] == 2


def test_a_publisher_that_answers_no_nack_sends_nothing_again(discord, client):
    discord.command({"type": "sfu", "nack": False})
    ssrc = publish(discord, answersNack=False, honoursPli=False)
    header, _ = picture(client, ssrc)
    client.send_rtcp(rtcp.Nack(client.ssrc, ssrc, (header.sequence,)))
    client.send_rtcp(rtcp.Pli(client.ssrc, ssrc))
    while discord.stats(2)["publisher"]["plis"] < 1:
        picture(client, ssrc)
    published = discord.stats(2)["publisher"]
    assert (published["nackedPackets"], published["rtxPackets"], published["keyPictures"]) == (1, 0, 1)


def test_vp8_is_shown_with_sound_beside_it(discord, client):
    ssrc = publish(discord, codec="VP8", tone=440)
    heard = None
    while heard is None:
        ((header, payload),) = client.read_video()
        heard = header if header.payload_type == 120 and payload else None
    assert heard.ssrc == ssrc - 1
    assert vp8_payload.is_key(picture(client, ssrc, vp8_payload.depacketise)[1]) in (True, False)
    reports = []
    while {report.ssrc for report in reports} != {ssrc, ssrc - 1}:
        reports += [packet for packet in client.read_rtcp() if isinstance(packet, rtcp.SenderReport)]
    assert all(report.ntp for report in reports)


def test_a_pause_is_told_and_ends_with_a_key_frame(discord, client):
    ssrc = publish(discord)
    picture(client, ssrc)
    discord.command({"type": "pause", "userId": "2"})
    client.wait(Op.VIDEO, predicate=lambda data: data["streams"][0]["active"] is False)
    client.wait(Op.SPEAKING, predicate=lambda data: data["speaking"] == 0)
    since = len(client.seen)
    discord.command({"type": "pause", "userId": "2", "paused": False})
    client.wait(Op.VIDEO, since, predicate=lambda data: data["streams"][0]["active"] is True)
    while not h264_payload.is_key(picture(client, ssrc)[1]):
        pass


def test_nothing_is_drawn_before_there_is_anybody(discord):
    publish(discord)
    with VideoClient(discord, 1) as client:
        ssrc = int(discord.stats(2)["publisher"]["videoSsrc"])
        picture(client, ssrc)
        published = discord.stats(2)["publisher"]
        assert published["picturesUnsent"] == 0
        assert published["pictures"] < 20


def test_wants_are_told_to_it(discord, client):
    ssrc = publish(discord)
    client.wait(Op.VIDEO)
    client.send(Op.MEDIA_SINK_WANTS, ops.MediaSinkWants(any=0, wants={ssrc: 0}))
    client.settle()
    assert discord.stats(2)["publisher"]["wanted"] == 0
