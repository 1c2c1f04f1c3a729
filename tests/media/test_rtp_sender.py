"""Sequence, timestamp and nonce of what leaves, whatever is superseded in between."""

from itertools import pairwise
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from clankvox.clock import SLOT_S
from clankvox.errors import TransportLost
from clankvox.media.frame_cipher import FrameCipher, Gate
from clankvox.media.packet_sealer import PacketSealer
from clankvox.media.rtp_sender import OpusFrame, PacketState, RtpSender
from clankvox.ports import SendOutcome
from clankvox.wire.rtp import parse_header
from clankvox.wire.seq import seq_delta, timestamp_delta
from clankvox.wire.transport_crypto import TransportMode

OPUS = b"\xfcspeech"


class Line:
    """A sender whose packets end in a list."""

    def __init__(self, seed=1):
        self.cipher = FrameCipher()
        self.cipher.set_gate(Gate.CLEAR)
        self.sealer = PacketSealer(TransportMode.XCHACHA20, bytes(32))
        self.wire = []
        self.broken = False
        self.sender = RtpSender(42, 120, self.sealer, Random(seed), cipher=self.cipher, transmit=self.transmit)

    def transmit(self, datagram):
        if self.broken:
            raise TransportLost
        self.wire.append(datagram)

    def prepare(self, deadline_s, audible=True):
        generation = self.cipher.generation
        payload = self.cipher.seal_opus(OPUS)
        return self.sender.prepare(payload, deadline_s, generation, OpusFrame(OPUS, audible))


def test_a_packet_carries_the_payload_sealed_behind_a_plain_opus_header():
    line = Line()
    packet = line.prepare(7.0)
    assert packet.send() is SendOutcome.SENT
    (datagram,) = line.wire
    header = parse_header(datagram)
    assert (datagram[0], header.payload_type, header.marker, header.ssrc) == (0x80, 120, False, 42)
    assert (header.sequence, header.timestamp) == (packet.sequence, packet.timestamp)
    assert line.sealer.open(datagram, header.clear_bytes) == OPUS
    assert packet.frame == OpusFrame(OPUS, audible=True)


def test_sequence_and_timestamp_begin_at_random():
    starts = {(p.sequence, p.timestamp) for p in (Line(seed).prepare(0.0) for seed in range(20))}
    assert len({s for s, _ in starts}) == len({t for _, t in starts}) == 20


def test_consecutive_slots_advance_by_one_packet_and_one_frame():
    line = Line()
    packets = [line.prepare(100.0 + slot * SLOT_S) for slot in range(200)]
    for older, newer in pairwise(packets):
        assert seq_delta(newer.sequence, older.sequence) == 1
        assert timestamp_delta(newer.timestamp, older.timestamp) == 960


def test_a_pause_advances_the_timestamp_by_real_time_and_the_sequence_by_one():
    line = Line()
    first = line.prepare(100.0)
    second = line.prepare(100.0 + 3600.0)
    assert seq_delta(second.sequence, first.sequence) == 1
    assert timestamp_delta(second.timestamp, first.timestamp) == 3600 * 48_000


def test_a_new_grid_half_a_slot_off_makes_no_gap_within_it():
    line = Line()
    line.prepare(0.0)
    packets = [line.prepare(10.01 + slot * SLOT_S) for slot in range(500)]
    steps = {timestamp_delta(b.timestamp, a.timestamp) for a, b in pairwise(packets)}
    assert steps == {960}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0.02, 5.0), min_size=1, max_size=200))
def test_many_new_grids_never_take_the_timestamp_away_from_real_time(pauses):
    line = Line()
    now = 50.0
    first = line.prepare(now)
    for pause in pauses:
        now += pause
        packet = line.prepare(now)
        ticks = timestamp_delta(packet.timestamp, first.timestamp)
        assert ticks % 960 == 0
        assert abs(ticks - (now - 50.0) * 48_000) <= 0.76 * 960


def test_what_was_sealed_before_a_change_of_the_gate_does_not_leave():
    line = Line()
    packet = line.prepare(0.0)
    line.cipher.set_gate(Gate.CLOSED)
    assert packet.send() is SendOutcome.STALE
    assert line.wire == []
    assert packet.state is PacketState.WAITING


def test_a_stale_packet_gives_its_place_to_the_same_sound_sealed_anew():
    line = Line()
    stale = line.prepare(0.0)
    line.cipher.accept_clear_until(1.0)
    assert stale.send() is SendOutcome.STALE
    assert line.sender.give_back(stale)
    anew = line.prepare(0.0)
    assert anew.send() is SendOutcome.SENT
    assert (anew.sequence, anew.timestamp) == (stale.sequence, stale.timestamp)
    assert anew.datagram[-4:] != stale.datagram[-4:]


def test_a_socket_that_does_not_take_it_fails_the_packet_and_its_place_is_free():
    line = Line()
    line.prepare(0.0).send()
    line.broken = True
    failed = line.prepare(SLOT_S)
    assert failed.send() is SendOutcome.FAILED
    line.broken = False
    assert line.sender.give_back(failed)
    assert failed.send() is SendOutcome.STALE
    again = line.prepare(SLOT_S)
    assert (again.sequence, again.timestamp) == (failed.sequence, failed.timestamp)


def test_a_packet_that_left_keeps_its_place():
    line = Line()
    packet = line.prepare(0.0)
    packet.send()
    assert not line.sender.give_back(packet)
    assert packet.send() is SendOutcome.STALE
    assert len(line.wire) == 1
    assert line.prepare(SLOT_S).sequence == (packet.sequence + 1) & 0xFFFF


def test_a_place_is_given_back_once_and_newest_first():
    line = Line()
    older, newer = line.prepare(0.0), line.prepare(SLOT_S)
    assert line.sender.give_back(newer)
    assert line.sender.give_back(older)
    assert not line.sender.give_back(older)
    again = line.prepare(0.0)
    assert (again.sequence, again.timestamp) == (older.sequence, older.timestamp)


def test_no_repr_shows_what_a_packet_carries():
    packet = Line().prepare(0.0)
    assert "speech" not in repr(packet)


@settings(max_examples=100, deadline=None)
@given(
    st.integers(0, 2**32),
    st.lists(st.tuples(st.sampled_from(["send", "stop", "stale", "fail"]), st.floats(0.02, 3.0)), max_size=80),
)
def test_the_wire_sees_every_sequence_once_and_no_nonce_twice(seed, steps):
    line = Line(seed)
    now, nonces, sent = 10.0, [], []
    for fate, pause in steps:
        packet = line.prepare(now)
        nonces.append(packet.datagram[-4:])
        line.broken = fate == "fail"
        if fate == "stale":
            line.cipher.accept_clear_until(now)
        if fate == "stop" or packet.send() is not SendOutcome.SENT:
            assert line.sender.give_back(packet)
        else:
            sent.append(packet)
        now += pause
    assert [packet.datagram for packet in sent] == line.wire
    assert len(set(nonces)) == len(nonces)
    for older, newer in pairwise(sent):
        assert seq_delta(newer.sequence, older.sequence) == 1
        step = timestamp_delta(newer.timestamp, older.timestamp)
        assert step >= 960
        assert step % 960 == 0
