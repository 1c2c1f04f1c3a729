"""Access units become packets that an independent receiver puts together again, encrypts and decodes."""

import itertools
import struct
from random import Random

import pytest
from aiortc.codecs import depayload
from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from hypothesis import given, settings
from hypothesis import strategies as st

from clankvox.errors import MlsError
from clankvox.ids import Ssrc
from clankvox.media.frame_cipher import FrameCipher, Gate
from clankvox.media.video_encoder import AccessUnit, VideoEncoder
from clankvox.media.video_sender import MAX_PAYLOAD_BYTES, VideoSender
from clankvox.media.video_target import VideoTarget
from clankvox.ports import SendOutcome
from clankvox.wire.h264 import join_annex_b, split_annex_b
from clankvox.wire.rtp import parse_extensions, parse_header
from clankvox.wire.seq import seq_delta, timestamp_delta
from tests.support.coded_video import access_units, av_frame
from tests.support.dave_room import DaveRoom
from tests.support.fake_mls import FakeEngine
from tests.support.published import VideoWire, decoded, luma, psnr

SMALL = VideoTarget(320, 192, 30, 2_000_000, 60)
IDR = AccessUnit(join_annex_b([b"\x67sps", b"\x68pps", b"\x65" + bytes(range(1, 256)) * 20]), keyframe=True)
DELTA = AccessUnit(join_annex_b([b"\x41" + bytes(range(1, 200))]), keyframe=False)


class Publisher(VideoWire):
    """Sends as a publish worker does."""

    def __init__(self, **options):
        super().__init__(**options)
        self.lease = self.sender.lease()
        self.left = 0

    def send(self, unit=DELTA, instant_s=0.0, lease=None):
        def on_left():
            self.left += 1

        holder = self.lease if lease is None else lease
        return self.sender.send(holder, unit, instant_s, spread_s=0.03, now=instant_s, on_left=on_left)


def aiortc_units(packets):
    """Access units as aiortc reads the payloads: it was written by others, from the same RFC."""
    codec = RTCRtpCodecParameters(mimeType="video/H264", clockRate=90_000, payloadType=105)
    units, part = [], b""
    for header, payload in packets:
        part += depayload(codec, payload)
        if header.marker:
            units.append(part)
            part = b""
    return units


def test_an_independent_depacketiser_and_decoder_see_every_picture():
    publisher, encoder = Publisher(), VideoEncoder(SMALL)
    sources = [av_frame(index) for index in range(30)]
    for index, frame in enumerate(sources):
        assert publisher.send(encoder.encode(frame, index / 30, idr=index == 12), index / 30)
    publisher.lane.leave()
    pictures = decoded(aiortc_units(publisher.packets()))
    assert len(pictures) == 30
    assert min(psnr(luma(one), luma(other)) for one, other in zip(sources, pictures, strict=True)) >= 30.0


@pytest.mark.parametrize("slices", [1, 2, 5])
@pytest.mark.parametrize("library", ["davey", "libdave"])
def test_every_picture_decrypts_at_both_libraries_whatever_its_slices(library, slices):
    room = DaveRoom()
    for user, of in ((1, "davey"), (2, library)):
        room.join(user, of)
    room.run()
    publisher = Publisher(cipher=RoomCipher(room.members[1]))
    units = access_units(12, slices=slices, width=320, height=192)
    for index, data in enumerate(units):
        assert publisher.send(AccessUnit(data, keyframe=index == 0), index / 30)
    publisher.lane.leave()
    opened = [room.members[2].decrypt_video(1, unit) for _, unit in publisher.sealed_units()]
    assert opened == [join_annex_b(split_annex_b(data)) for data in units]
    assert len(decoded(opened)) == 12
    assert not any(plain in sealed for plain, (_, sealed) in zip(opened, publisher.sealed_units(), strict=True))


class RoomCipher:
    """What a sender asks of a FrameCipher, answered by a member of a real group."""

    gate = Gate.ENCRYPT
    generation = 1

    def __init__(self, member):
        self._member = member

    def seal_video(self, frame, codec):
        return self._member.encrypt_video(codec.value, frame)


def test_packets_are_numbered_marked_and_bounded():
    publisher = Publisher()
    for index, unit in enumerate((IDR, DELTA, DELTA)):
        publisher.send(unit, index / 30)
    publisher.lane.leave()
    packets = publisher.packets()
    assert {header.payload_type for header, _ in packets} == {105}
    assert [seq_delta(header.sequence, packets[0][0].sequence) for header, _ in packets] == list(range(len(packets)))
    assert all(len(payload) <= MAX_PAYLOAD_BYTES for _, payload in packets)
    assert all(len(datagram) <= 1_206 for datagram in publisher.datagrams)
    ends = [header.marker and following[0].timestamp != header.timestamp
            for (header, _), following in itertools.pairwise(packets)]  # fmt: skip
    assert [header.marker for header, _ in packets[:-1]] == ends
    assert packets[-1][0].marker


def test_the_extensions_are_those_of_a_screen_share_with_a_running_transport_number():
    publisher = Publisher()
    publisher.send(IDR, 64.5)
    publisher.lane.leave()
    numbers = []
    for datagram in publisher.datagrams:
        header = parse_header(datagram)
        body = publisher.sealer.open(datagram, header.clear_bytes)[: header.extension_bytes]
        extensions = parse_extensions(body)
        assert sorted(extensions) == [3, 5, 6, 7, 11]
        assert (extensions[6], extensions[7], extensions[11]) == (bytes(3), b"\x01", b"100")
        assert int.from_bytes(extensions[3], "big") == int(64.5 * 2**18) & 0xFFFFFF
        numbers.append(struct.unpack("!H", extensions[5])[0])
    assert numbers == list(range(len(numbers)))


@given(
    steps_ms=st.lists(st.floats(0.01, 5_000), min_size=1, max_size=60),
    seed=st.integers(0, 2**32),
    start=st.floats(0, 1e6),
)
@settings(max_examples=60, deadline=None)
def test_timestamps_carry_their_remainder_and_never_stand_still(steps_ms, seed, start):
    publisher = Publisher(seed=seed)
    instant = start
    publisher.send(IDR, instant)
    instants = [instant]
    for step_ms in steps_ms:
        instant += step_ms / 1000
        instants.append(instant)
        publisher.send(DELTA, instant)
    publisher.lane.leave()
    stamps = [header.timestamp for header, _ in publisher.packets() if header.marker]
    assert len(stamps) == len(instants)
    for stamp, moment in zip(stamps, instants, strict=True):
        assert abs(timestamp_delta(stamp, stamps[0]) % 2**32 - round((moment - start) * 90_000) % 2**32) <= len(stamps)
    assert all(timestamp_delta(later, earlier) > 0 for earlier, later in itertools.pairwise(stamps))


def test_29_97_pictures_a_second_do_not_drift():
    publisher = Publisher()
    for index in range(3_000):
        publisher.send(IDR._replace(data=DELTA.data) if index == 0 else DELTA, index * 1.001 / 30)
    publisher.lane.leave()
    stamps = [header.timestamp for header, _ in publisher.packets()]
    assert timestamp_delta(stamps[-1], stamps[0]) == (2_999 * 3_003)


def test_sequence_and_timestamp_begin_at_random():
    starts = set()
    for seed in range(20):
        publisher = Publisher(seed=seed)
        publisher.send(IDR)
        publisher.lane.leave(1)
        header, _ = publisher.packets()[0]
        starts.add((header.sequence, header.timestamp))
    assert len(starts) == 20


# --- fail closed ---


@pytest.mark.parametrize("gate", [Gate.CLOSED, Gate.ENCRYPT])
def test_nothing_leaves_while_nothing_may(gate):
    publisher = Publisher(gate=gate)
    assert not publisher.send(IDR)
    assert publisher.lane.groups == []
    assert publisher.counters.frames_dropped == 1
    assert publisher.sender.wants_idr


def test_what_cannot_be_encrypted_does_not_leave():
    class Failing(RoomCipher):
        def seal_video(self, frame, codec):
            raise MlsError("no")

    publisher = Publisher(cipher=Failing(None))
    assert not publisher.send(IDR)
    assert publisher.lane.groups == []
    assert publisher.counters.encrypt_failures == 1


def test_what_was_prepared_before_a_change_of_key_does_not_leave_and_an_idr_follows():
    publisher = Publisher()
    publisher.send(IDR, 0.0)
    publisher.send(DELTA, 0.1)
    assert not publisher.sender.wants_idr
    publisher.cipher.set_gate(Gate.CLOSED)
    publisher.cipher.set_gate(Gate.CLEAR)
    assert set(publisher.lane.leave()) == {SendOutcome.STALE}
    assert publisher.datagrams == []
    assert publisher.left == 0
    assert publisher.sender.wants_idr
    assert not publisher.send(DELTA, 0.2), "a delta picture could not be decoded"
    assert publisher.send(IDR, 0.3)
    assert set(publisher.lane.leave()) == {SendOutcome.SENT}


def test_a_change_of_key_in_mid_seal_makes_the_picture_stale():
    class Changing(FrameCipher):
        def seal_video(self, frame, codec):
            sealed = super().seal_video(frame, codec)
            self.accept_clear_until(1.0)
            return sealed

    cipher = Changing()
    cipher.set_gate(Gate.CLEAR)
    publisher = Publisher(cipher=cipher)
    publisher.send(IDR)
    assert set(publisher.lane.leave()) == {SendOutcome.STALE}


def test_a_seal_that_leaves_no_picture_is_a_picture_dropped():
    cipher = FrameCipher()
    cipher.install(FakeEngine(1, 7, 20))
    cipher.mls(lambda engine: engine.process_welcome(b"w"))
    cipher.set_gate(Gate.ENCRYPT)
    publisher = Publisher(cipher=cipher)
    assert not publisher.send(AccessUnit(b"", keyframe=True))
    assert publisher.sender.wants_idr


# --- what leaves, and who may send ---


def test_a_picture_has_left_when_all_of_it_has():
    publisher = Publisher()
    publisher.send(IDR)
    packets = publisher.lane.groups[0][1]
    for packet in packets[:-1]:
        packet.send()
    assert publisher.left == 0
    packets[-1].send()
    assert publisher.left == 1
    assert publisher.counters.frames_sent == 1
    assert publisher.counters.packets_sent == len(packets)
    assert publisher.sender.tally.octets == sum(len(payload) for _, payload in publisher.packets())


def test_a_picture_of_which_a_packet_failed_has_not_left():
    publisher = Publisher()
    publisher.send(IDR)
    packets = publisher.lane.groups[0][1]
    publisher.broken = True
    packets[0].send()
    publisher.broken = False
    for packet in packets[1:]:
        packet.send()
    assert publisher.left == 0
    assert publisher.counters.send_failures == 1
    assert publisher.sender.wants_idr


def test_a_full_lane_costs_the_picture_and_no_number():
    publisher = Publisher()
    publisher.send(IDR, 0.0)
    publisher.lane.full = True
    assert not publisher.send(DELTA, 0.1)
    publisher.lane.full = False
    assert not publisher.send(DELTA, 0.2)
    assert publisher.send(IDR, 0.3)
    publisher.lane.leave()
    packets = publisher.packets()
    assert [seq_delta(header.sequence, packets[0][0].sequence) for header, _ in packets] == list(range(len(packets)))


def test_what_is_taken_back_gives_its_numbers_back_and_is_not_sent_again():
    publisher = Publisher()
    publisher.send(IDR, 0.0)
    publisher.lane.leave()
    last = publisher.packets()[-1][0].sequence
    publisher.send(DELTA, 0.1)
    publisher.send(DELTA, 0.2)
    publisher.sender.take_back(publisher.lease)
    assert publisher.sender.cache.find(last) is not None
    assert publisher.sender.cache.find((last + 1) % 65_536) is None
    assert publisher.counters.packets_dropped == 2
    assert publisher.sender.wants_idr
    publisher.send(IDR, 0.3)
    publisher.lane.leave()
    sequences = [header.sequence for header, _ in publisher.packets()]
    assert [seq_delta(number, sequences[0]) for number in sequences] == list(range(len(sequences)))


def test_a_lease_ends_with_the_next_one_and_with_its_revocation():
    publisher = Publisher()
    newer = publisher.sender.lease()
    assert not publisher.send(IDR)
    publisher.sender.take_back(publisher.lease)
    publisher.sender.revoke(publisher.lease)
    assert publisher.send(IDR, lease=newer), "an older holder takes nothing from a newer one"
    publisher.sender.revoke(newer)
    assert publisher.lane.groups == []
    assert not publisher.send(IDR, lease=newer)


def test_nonces_are_never_used_twice_whatever_is_taken_back():
    publisher = Publisher()
    for index in range(20):
        publisher.send(IDR, index / 30)
        if index % 3 == 0:
            publisher.sender.take_back(publisher.lease)
        publisher.lane.leave(1)
    publisher.lane.leave()
    nonces = [datagram[-4:] for datagram in publisher.datagrams]
    assert len(set(nonces)) == len(nonces)


def test_a_sender_of_another_ssrc_says_so():
    publisher = Publisher()
    other = VideoSender(publisher.path, Random(1))
    assert other.path.ssrc == Ssrc(4001)
