"""RTCP between raw clients: to whom it goes, and how it is protected."""

import pytest

from clankvox.loopback.discord import LoopbackDiscord
from clankvox.wire import rtcp
from clankvox.wire.gateway_ops import Op
from clankvox.wire.transport_crypto import TransportMode
from tests.support.video_client import VideoClient


@pytest.fixture(scope="module")
def discord():
    with LoopbackDiscord(tls=False, dave=False) as running:
        yield running


@pytest.fixture(scope="module")
def call(discord):
    with (
        VideoClient(discord, 1) as sender,
        VideoClient(discord, 2, mode=TransportMode.XCHACHA20) as receiver,
        VideoClient(discord, 3) as other,
    ):
        for client in (sender, other):
            client.describe()
            receiver.wait(Op.VIDEO, predicate=lambda data, client=client: data["video_ssrc"] == client.video)
        yield sender, receiver, other


def block(ssrc):
    return rtcp.ReportBlock(ssrc, 1, 2, 3, 4, 5, 6)


@pytest.mark.parametrize("kind", ["pli", "fir"])
def test_a_request_for_a_key_frame_goes_to_whom_it_concerns(discord, call, kind):
    sender, receiver, _ = call
    request = rtcp.Pli(receiver.ssrc, sender.video)
    if kind == "fir":
        request = rtcp.Fir(receiver.ssrc, (rtcp.FirRequest(sender.video, 7),))
    before = discord.stats(1)["video"].get(str(sender.video), {}).get(f"{kind}s", 0)
    receiver.send_rtcp(rtcp.ReceiverReport(receiver.ssrc), request)
    assert sender.read_rtcp() == [request]
    assert discord.stats(1)["video"][str(sender.video)][f"{kind}s"] == before + 1


def test_a_receiver_report_is_told_to_each_sender_as_far_as_it_is_about_its_streams(call):
    sender, receiver, other = call
    receiver.send_rtcp(rtcp.ReceiverReport(receiver.ssrc, (block(sender.video), block(other.video), block(99))))
    assert sender.read_rtcp() == [rtcp.ReceiverReport(receiver.ssrc, (block(sender.video),))]
    assert other.read_rtcp() == [rtcp.ReceiverReport(receiver.ssrc, (block(other.video),))]


def test_a_sender_report_and_its_description_go_to_everybody_else(call):
    sender, receiver, other = call
    sent = [
        rtcp.SenderReport(sender.video, 1, 2, 3, 4),
        rtcp.Unknown(202, 1, sender.video.to_bytes(4, "big") + bytes(4)),
    ]
    sender.send_rtcp(*sent)
    assert receiver.read_rtcp() == other.read_rtcp() == sent


def test_a_report_of_somebody_elses_stream_is_dropped(call):
    sender, _, other = call
    other.send_rtcp(rtcp.SenderReport(sender.video, 1, 2, 3, 4), rtcp.Pli(other.ssrc, sender.video))
    assert sender.read_rtcp() == [rtcp.Pli(other.ssrc, sender.video)]


def test_rtcp_with_four_bytes_in_clear_does_not_authenticate(discord, call):
    sender, receiver, _ = call
    before = discord.stats(2)["received"].get("open_failed", 0)
    receiver.send_rtcp(rtcp.Pli(receiver.ssrc, sender.video), clear_bytes=4)
    receiver.send_rtcp(rtcp.Fir(receiver.ssrc, (rtcp.FirRequest(sender.video, 1),)))
    assert isinstance(sender.read_rtcp()[0], rtcp.Fir)
    assert discord.stats(2)["received"]["open_failed"] == before + 1


def test_requests_for_key_frames_can_be_swallowed(discord, call):
    sender, receiver, _ = call
    discord.command({"type": "sfu", "pli": False})
    try:
        receiver.send_rtcp(rtcp.Pli(receiver.ssrc, sender.video))
        receiver.send_rtcp(rtcp.ReceiverReport(receiver.ssrc, (block(sender.video),)))
        assert isinstance(sender.read_rtcp()[0], rtcp.ReceiverReport)
    finally:
        discord.command({"type": "sfu", "pli": True})


def test_rtcp_is_lost_like_everything_else(discord, call):
    sender, receiver, _ = call
    discord.command({"type": "impair", "userId": "2", "direction": "up", "loss": 1.0})
    receiver.send_rtcp(rtcp.Pli(receiver.ssrc, sender.video))
    while not discord.stats(2)["impairedRtcp"]["up"].get("lost"):
        pass
    discord.command({"type": "impair", "userId": "2", "direction": "up"})
    receiver.send_rtcp(rtcp.ReceiverReport(receiver.ssrc, (block(sender.video),)))
    assert isinstance(sender.read_rtcp()[0], rtcp.ReceiverReport)
