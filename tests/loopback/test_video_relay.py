"""Video between raw clients: what the SFU rewrites, keeps for repair, repacks and withholds."""

import pytest

from clankvox.loopback import h264_payload
from clankvox.loopback.discord import LoopbackDiscord
from clankvox.wire import gateway_ops as ops
from clankvox.wire import rtcp
from clankvox.wire.gateway_ops import Op
from clankvox.wire.transport_crypto import TransportMode
from tests.support.raw_client import RawClient
from tests.support.video_client import VideoClient, codecs

SPS, PPS, SLICE = b"\x67sps", b"\x68pps", b"\x65" + bytes(range(1, 200)) * 20


@pytest.fixture
def discord():
    with LoopbackDiscord(tls=False, dave=False) as running:
        yield running


@pytest.fixture
def sender(discord):
    with VideoClient(discord, 1) as client:
        client.describe()
        yield client


@pytest.fixture
def receiver(discord, sender):
    with VideoClient(discord, 2, mode=TransportMode.XCHACHA20, codecs=codecs(h264=105, vp8=0, encode=False)) as client:
        sender.wait(Op.VIDEO)
        client.wait(Op.VIDEO)
        yield client


def seen(discord, client):
    return discord.stats(client.user)


def video_of(discord, sender):
    return seen(discord, sender)["video"][str(sender.video)]


def nack(receiver, sender, *sequences):
    receiver.send_rtcp(rtcp.Nack(receiver.ssrc, sender.video, sequences))


def test_payload_types_are_rewritten_for_each_receiver_and_all_else_stays(discord, sender, receiver):
    with VideoClient(discord, 3, codecs=codecs(h264=121)) as other:
        other.wait(Op.VIDEO)
        sent = sender.send_picture(h264_payload.join([SPS, PPS, SLICE]))
        for client, payload_type in ((receiver, 105), (other, 121)):
            packets = client.read_video(len(sent))
            assert [header.sequence for header, _ in packets] == sent
            assert {header.payload_type for header, _ in packets} == {payload_type}
            assert {header.ssrc for header, _ in packets} == {sender.video}
            assert [header.marker for header, _ in packets] == [False] * (len(sent) - 1) + [True]
            assert h264_payload.depacketise(payload for _, payload in packets) == h264_payload.join([SPS, PPS, SLICE])


def test_a_codec_that_a_receiver_did_not_list_does_not_reach_it(discord, sender, receiver):
    sender.send_video(b"\x90\x80\x80\x01key", payload_type=103)
    sender.send_video(SLICE[:50])
    assert [payload for _, payload in receiver.read_video()] == [SLICE[:50]]
    assert seen(discord, receiver)["forwarded"]["no_codec"] == 1


def test_a_payload_type_that_the_sender_never_named_is_refused(discord, sender, receiver):
    sender.send_video(b"\x65what", payload_type=99)
    sender.send_video(b"\x65repair", payload_type=102)
    sender.send_video(SLICE[:50])
    assert [payload for _, payload in receiver.read_video()] == [SLICE[:50]]
    assert seen(discord, sender)["received"]["wrong_payload_type"] == 2


def test_op_14_of_a_client_replaces_its_payload_types(sender, receiver):
    receiver.send(Op.SESSION_UPDATE, ops.SessionUpdate(codecs=codecs(h264=125)))
    receiver.settle()
    sender.send_video(SLICE[:50])
    assert receiver.read_video()[0][0].payload_type == 125


def test_who_never_sent_an_op_12_gets_no_video(discord, sender):
    with RawClient(discord, 3) as plain:
        plain.wait(Op.VIDEO)
        sender.send_video(SLICE[:50])
        sender.send_frame(b"\xfcaudio", encrypt=False)
        assert plain.packet()[0].payload_type == 120
        assert seen(discord, plain)["forwarded"]["before_op_12"] == 1


@pytest.mark.parametrize("wants", [{"wants": 0}, {"any": 0}])
def test_what_is_not_wanted_does_not_come_and_its_repair_neither(discord, sender, receiver, wants):
    by_ssrc = {sender.video: 0} if "wants" in wants else {}
    receiver.send(Op.MEDIA_SINK_WANTS, ops.MediaSinkWants(any=wants.get("any"), wants=by_ssrc))
    sender.wait(Op.MEDIA_SINK_WANTS, predicate=lambda data: data.get("any") == 0)
    number = sender.send_video(SLICE[:50])
    nack(receiver, sender, number)
    assert receiver.nothing_more()
    assert seen(discord, receiver)["forwarded"]["unwanted"] == 2


def test_nested_wants_are_understood_and_recorded(discord, sender, receiver):
    receiver.ws.send(f'{{"op":15,"d":{{"any":100,"streams":{{"{sender.video}":40}},"pixelCounts":{{}}}}}}')
    told = sender.wait(Op.MEDIA_SINK_WANTS, predicate=lambda data: str(sender.video) in data)
    assert told == {"any": 40, str(sender.video): 40}
    assert seen(discord, receiver)["wants"] == {"any": 100, str(sender.video): 40}


def test_a_sender_is_wanted_from_the_start_and_not_any_more_when_the_last_watcher_left(sender, receiver):
    assert sender.wait(Op.MEDIA_SINK_WANTS) == {"any": 100}
    receiver.send(Op.MEDIA_SINK_WANTS, ops.MediaSinkWants(any=100))
    sender.wait(Op.MEDIA_SINK_WANTS, predicate=lambda data: data == {"any": 100, str(sender.video): 100})
    receiver.close()
    sender.wait(Op.MEDIA_SINK_WANTS, predicate=lambda data: data == {"any": 0, str(sender.video): 0})


def test_a_nack_is_answered_out_of_the_cache_with_a_retransmission(discord, sender, receiver):
    sent = sender.send_picture(SLICE_UNIT)
    original = receiver.read_video(len(sent))
    nack(receiver, sender, sent[1], sent[2])
    again = receiver.read_video(2)
    for (header, payload), (first, content) in zip(again, original[1:3], strict=True):
        assert (header.ssrc, header.payload_type) == (sender.rtx, 106)
        assert (header.timestamp, header.marker) == (first.timestamp, first.marker)
        assert payload == first.sequence.to_bytes(2, "big") + content
    assert again[1][0].sequence == again[0][0].sequence + 1 & 0xFFFF
    stats = video_of(discord, sender)
    assert (stats["nacks"], stats["nackedPackets"], stats["rtxHere"], stats["rtxPackets"]) == (1, 2, 2, 0)


SLICE_UNIT = h264_payload.join([SPS, PPS, SLICE])


def test_what_the_sfu_never_got_it_asks_the_sender_for(discord, sender, receiver):
    sender.send_video(SLICE[:50])
    missing = sender.video_sequence & 0xFFFF
    sender.video_sequence += 1
    sender.send_video(SLICE[:60])
    receiver.read_video(2)
    nack(receiver, sender, missing)
    (asked,) = sender.read_rtcp()
    assert asked == rtcp.Nack(receiver.ssrc, sender.video, (missing,))
    sender.send_video(missing.to_bytes(2, "big") + b"\x41late", payload_type=102, ssrc=sender.rtx, sequence=7)
    ((header, payload),) = receiver.read_video()
    assert (header.ssrc, header.payload_type, payload) == (sender.rtx, 106, missing.to_bytes(2, "big") + b"\x41late")
    nack(receiver, sender, missing)
    assert receiver.read_video()[0][1] == payload
    assert (video_of(discord, sender)["lostPackets"], video_of(discord, sender)["rtxPackets"]) == (1, 1)


def test_without_nack_of_its_own_the_sfu_leaves_it_to_the_sender(discord, sender, receiver):
    discord.command({"type": "sfu", "nack": False})
    number = sender.send_video(SLICE[:50])
    receiver.read_video()
    nack(receiver, sender, number)
    assert sender.read_rtcp() == [rtcp.Nack(receiver.ssrc, sender.video, (number,))]
    sender.send_video(number.to_bytes(2, "big") + SLICE[:50], payload_type=102, ssrc=sender.rtx, sequence=7)
    ((header, payload),) = receiver.read_video()
    assert (header.sequence, header.payload_type, payload[2:]) == (7, 106, SLICE[:50])
    assert video_of(discord, sender)["rtxHere"] == 0


def test_parameter_sets_are_repacked_if_asked_for_and_a_nack_brings_them_so(discord, sender, receiver):
    discord.command({"type": "sfu", "stapA": True, "nack": False})
    sent = sender.send_picture(SLICE_UNIT)
    packets = receiver.read_video(len(sent))
    assert [header.sequence for header, _ in packets] == sent
    assert packets[0][1] == h264_payload.aggregate([SPS, PPS])
    assert packets[1][1] == b""
    assert h264_payload.depacketise(payload for _, payload in packets) == SLICE_UNIT
    nack(receiver, sender, sent[0])
    assert receiver.read_video()[0][1][2:] == h264_payload.aggregate([SPS, PPS])


def test_a_packet_that_is_held_for_repacking_goes_on_by_itself(discord, sender, receiver):
    discord.command({"type": "sfu", "stapA": True})
    sender.send_video(SPS, marker=False)
    assert receiver.read_video()[0][1] == SPS


def test_some_packets_are_padded_and_padding_only_ones_pass(sender, receiver):
    for index in range(150):
        sender.send_video(b"" if index == 70 else SLICE[:90])
    packets = receiver.read_video(150)
    assert [len(payload) for _, payload in packets] == [0 if index == 70 else 90 for index in range(150)]
    assert 2 <= sum(header.has_padding for header, _ in packets) <= 30
    assert len({header.extension_bytes for header, _ in packets}) > 1


@pytest.mark.parametrize("missing", ["op 12", "op 5"])
def test_video_before_op_12_or_op_5_ends_the_connection(discord, missing):
    with VideoClient(discord, 1, told=False) as client:
        if missing == "op 12":
            client.speak(2)
        else:
            client.describe()
        client.settle()
        client.send_video(SLICE[:50])
        assert client.wait_closed() == ops.CloseCode.BAD_REQUEST
        assert client.ws.close_reason == "Invalid SSRC"


def test_video_that_overtook_its_op_12_is_forwarded_after_it(discord, receiver):
    with VideoClient(discord, 3, told=False) as client:
        sent = client.send_picture(SLICE_UNIT)
        client.speak(2)
        client.describe()
        assert [header.sequence for header, _ in receiver.read_video(len(sent))] == sent


def test_video_that_still_comes_after_it_was_switched_off_is_no_offence(discord, sender, receiver):
    sender.describe(active=False)
    receiver.wait(Op.VIDEO, predicate=lambda data: data["video_ssrc"] == 0)
    sender.send_video(SLICE[:50])
    assert receiver.nothing_more(0.3)
    assert seen(discord, sender)["received"]["video_off"] == 1
    assert sender.close_code is None


def test_a_retransmission_too_short_for_a_number_is_a_probe(discord, sender, receiver):
    sender.send_video(SLICE[:50])
    sender.send_video(b"\x01", payload_type=102, ssrc=sender.rtx)
    sender.send_video(SLICE[:60])
    assert [len(payload) for _, payload in receiver.read_video(2)] == [50, 60]
    assert seen(discord, sender)["received"]["repair_probe"] == 1
