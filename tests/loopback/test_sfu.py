"""The SFU between real sockets: what it forwards, what it refuses, what it counts."""

import secrets
import socket

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clankvox.loopback.discord import LoopbackDiscord
from clankvox.wire import gateway_ops as ops
from clankvox.wire import ip_discovery, rtcp, rtp
from clankvox.wire.gateway_ops import Op
from clankvox.wire.transport_crypto import TransportMode, open_sealed, seal
from tests.support.raw_client import RawClient, by_user

XCHACHA = TransportMode.XCHACHA20


@pytest.fixture(scope="module")
def discord():
    with LoopbackDiscord(tls=False) as running:
        yield running


@pytest.fixture(scope="module")
def pair(discord):
    with RawClient(discord, 1) as sender, RawClient(discord, 2, mode=XCHACHA) as receiver:
        sender.wait_ready()
        receiver.wait_ready()
        sender.speak()
        receiver.wait(Op.SPEAKING)
        yield sender, receiver


def word(number):
    return b"\xfc" + number.to_bytes(4, "big") + secrets.token_bytes(40)


def settle(client):
    """All that `client` sent before is through: UDP keeps its order on this machine, and a pong follows it."""
    client.udp.send(ip_discovery.build_ping(77))
    while ip_discovery.parse_pong(client.udp.recv(2048)) != 77:
        pass


def received(discord, client):
    return discord.stats(client.user)["received"]


def test_frames_arrive_with_header_fields_unchanged_across_both_modes(pair):
    sender, receiver = pair
    words = [word(number) for number in range(200)]
    first_sequence, first_timestamp = sender.sequence, sender.timestamp
    heard = []
    for said in words:
        sender.send_frame(said)
        heard += receiver.hear(1)
    assert by_user(heard) == {1: type(by_user(heard)[1])(words)}
    for index, (_, header, _) in enumerate(heard):
        assert (header.sequence, header.timestamp) == (first_sequence + index, first_timestamp + 960 * index)
        assert (header.ssrc, header.payload_type, header.marker) == (sender.ssrc, 120, False)


def test_forwarded_packets_have_native_extensions_and_some_are_padded(pair):
    sender, receiver = pair
    packets = []
    for _ in range(20):  # no more at once than a socket buffer holds
        for number in range(20):
            sender.send_frame(word(number))
        packets += [receiver.packet() for _ in range(20)]
    assert all(packet[1].keys() == {1, 3, 9} for packet in packets)
    assert all(packet[1][9] == b"\x02" for packet in packets)
    padded = sum(packet[0].has_padding for packet in packets)
    assert 12 <= padded <= 60  # 3 to 15 %


def test_an_extension_of_the_sender_is_kept(pair):
    sender, receiver = pair
    body = rtp.build_extensions({1: b"\x7f", 5: b"\x01\x02"})
    sender.send_frame(word(0), extension=body)
    _, extensions, _ = receiver.packet()
    assert extensions == {1: b"\x7f", 5: b"\x01\x02"}


def test_datagrams_that_are_not_what_they_claim_are_counted_by_cause(discord, pair):
    sender, receiver = pair
    before = received(discord, sender)
    clear = rtp.build_header(payload_type=120, sequence=1, timestamp=1, ssrc=sender.ssrc)
    foreign = rtp.build_header(payload_type=120, sequence=1, timestamp=1, ssrc=receiver.ssrc)
    sender.send_packet(foreign, word(1))
    sender.udp.send(seal(sender.mode, bytes(32), clear, word(1), bytes(4)))
    sender.udp.send(clear)
    sender.udp.send(b"\x80\x78")
    sender.udp.send(bytes(8))
    settle(sender)
    after = received(discord, sender)
    counted = {cause: count - before.get(cause, 0) for cause, count in after.items() if count != before.get(cause, 0)}
    assert counted == {"foreign_ssrc": 1, "open_failed": 2, "malformed": 1, "keepalive": 1, "ping": 1}


def test_nothing_is_forwarded_before_op_5_announced_the_ssrc_and_then_what_overtook_it(discord, pair):
    _, receiver = pair
    with RawClient(discord, 3) as mute:
        mute.wait_ready()
        words = [word(number) for number in range(30)]
        for said in words:
            mute.send_frame(said)
        settle(mute)
        assert received(discord, mute)["invalid_ssrc"] == 30
        assert "packets" not in received(discord, mute)
        mute.speak(0)
        receiver.wait(Op.SPEAKING, predicate=lambda speaking: speaking["user_id"] == "3")
        assert [frame for _, _, frame in receiver.hear(10)] == words[-10:]


def test_datagrams_of_nobody_are_counted(discord, pair):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.connect(pair[0].udp.getpeername())
        stranger.send(b"\x80\x78" + bytes(30))
        stranger.send(ip_discovery.build_request(1))
    settle(pair[0])
    dropped = discord.command({"type": "stats"})["datagrams"]
    assert dropped["unknown_address"] >= 1
    assert dropped["unknown_ssrc"] >= 1


def test_plaintext_is_counted_while_encryption_is_due_but_exact_silence_is_not(discord, pair):
    sender, receiver = pair
    sender.send_frame(word(1), encrypt=False)
    sender.send_frame(rtp.SILENCE_FRAME, encrypt=False)
    sender.send_frame(word(2))
    assert [frame is None for _, _, frame in receiver.hear(3)] == [True, False, False]
    stats = discord.stats(1)
    assert (stats["plaintextFrames"], stats["silenceFrames"]) == (1, 1)


def test_sequence_gaps_late_packets_and_odd_timestamps_are_counted(discord, pair):
    sender, receiver = pair
    before = discord.stats(1)
    sender.sequence += 3
    sender.send_frame(word(1))
    sender.sequence -= 2
    sender.send_frame(word(2))
    sender.sequence += 1
    sender.timestamp += 7
    sender.send_frame(word(3))
    receiver.hear(3)
    after = discord.stats(1)
    grown = {name: after[name] - before[name] for name in ("seqGaps", "seqLate", "timestampAnomalies")}
    assert grown == {"seqGaps": 3, "seqLate": 1, "timestampAnomalies": 1}


def test_video_that_a_receiver_does_not_want_is_not_forwarded(discord, pair):
    sender, receiver = pair
    video = sender.ssrc + 1
    receiver.send(Op.VIDEO, ops.Video(audio_ssrc=receiver.ssrc, video_ssrc=0, rtx_ssrc=0, streams=()))
    sender.wait(Op.VIDEO)
    sender.send(Op.VIDEO, ops.Video(audio_ssrc=sender.ssrc, video_ssrc=video, rtx_ssrc=video + 1))
    receiver.wait(Op.VIDEO)
    clear = rtp.build_header(payload_type=103, sequence=1, timestamp=1, ssrc=video, marker=True)
    sender.send_packet(clear, b"picture")
    header, extensions, payload = receiver.packet()
    assert (header.ssrc, header.marker, payload) == (video, True, b"picture")
    assert extensions.keys() == {2, 3, 4, 5, 6, 7, 8, 10, 11}
    receiver.send(Op.MEDIA_SINK_WANTS, ops.MediaSinkWants(wants={video: 0}))
    sender.wait(Op.MEDIA_SINK_WANTS, predicate=lambda wants: wants.get(str(video)) == 0)
    sender.send_packet(clear, b"unseen")
    sender.send_frame(said := word(1))
    assert receiver.hear(1)[0][2] == said


def test_picture_requests_reach_the_sender_and_reports_reach_everybody(pair):
    sender, receiver = pair
    plain = rtcp.build_pli(rtcp.Pli(receiver.ssrc, sender.ssrc + 1))
    receiver.udp.send(seal(receiver.mode, receiver.key, plain[:8], plain[8:], b"\x99\x00\x00\x01"))
    datagram = sender.udp.recv(2048)
    assert datagram[:8] + open_sealed(sender.mode, sender.key, datagram, 8) == plain
    report = rtcp.build_sender_report(rtcp.SenderReport(sender.ssrc, 1, 2, 3, 4))
    sender.udp.send(seal(sender.mode, sender.key, report[:8], report[8:], b"\x99\x00\x00\x02"))
    datagram = receiver.udp.recv(2048)
    assert datagram[:8] + open_sealed(receiver.mode, receiver.key, datagram, 8) == report


def test_nonces_count_little_endian_and_never_repeat(pair):
    sender, receiver = pair
    nonces = []
    for number in range(30):
        sender.send_frame(word(number))
        nonces.append(int.from_bytes(receiver.udp.recv(2048)[-4:], "little"))
    assert nonces == list(range(nonces[0], nonces[0] + 30))


def test_a_client_without_dave_gets_no_encrypted_frame():
    with LoopbackDiscord(tls=False) as discord, RawClient(discord, 1) as sender, RawClient(discord, 2) as other:
        sender.wait_ready()
        other.wait_ready()
        sender.speak()
        with RawClient(discord, 3, dave=0) as plain:
            plain.wait(Op.SPEAKING)
            # sealed with the old key, as frames are that were under way when the room was downgraded
            late = sender.member._engine.encrypt_opus(word(1))
            sender.wait_ready(version=0)
            sender.send_frame(late, encrypt=False)
            sender.send_frame(said := word(2))
            assert [frame for _, _, frame in plain.hear(1)] == [said]
            assert discord.stats(3)["forwarded"] == {"packets": 1, "dave_withheld": 1}


def test_all_hear_all_after_a_downgrade_and_an_upgrade():
    with LoopbackDiscord(tls=False) as discord, RawClient(discord, 1) as sender, RawClient(discord, 2) as other:
        sender.wait_ready()
        other.wait_ready()
        sender.speak()
        discord.command({"type": "downgrade"})
        for version in (0, 1):
            sender.wait_ready(version)
            other.wait_ready(version)
            sender.send_frame(said := word(version))
            assert [frame for _, _, frame in other.hear(1)] == [said]
            discord.command({"type": "upgrade"})
        assert discord.stats(1)["plaintextFrames"] == 0


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.binary(max_size=120), st.binary(max_size=72).map(lambda tail: b"\x00\x01" + tail)))
def test_no_datagram_stops_the_stream(discord, pair, datagram):
    sender, receiver = pair
    sender.udp.send(datagram)
    sender.send_frame(said := word(1))
    assert receiver.hear(1)[0][2] == said


@settings(max_examples=100, deadline=None)
@given(first=st.integers(0x80, 0xBF), second=st.integers(0, 255), plaintext=st.binary(max_size=80))
def test_no_sealed_packet_stops_the_stream(pair, first, second, plaintext):
    sender, receiver = pair
    clear = bytes((first, second)) + bytes(6) + sender.ssrc.to_bytes(4, "big")
    sender.send_packet(clear[: 8 if 192 <= second < 224 else 12], plaintext)
    sender.send_frame(said := word(1))
    while True:
        heard = receiver.hear(1)[0]
        if heard[2] == said:
            return
