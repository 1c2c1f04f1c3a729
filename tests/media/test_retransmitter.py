"""Whoever asks for a packet gets it on the RTX stream, within bounds."""

from random import Random

import pytest

from clankvox.media.retransmitter import AGAIN_AFTER_S, OLDEST_S, RATE_PACKETS, Retransmitter
from clankvox.media.video_encoder import AccessUnit
from clankvox.wire import rtx
from clankvox.wire.h264 import depacketise, split_annex_b
from clankvox.wire.rtcp import Nack
from clankvox.wire.rtp import parse_extensions, parse_header, strip
from clankvox.wire.seq import seq_add, seq_delta
from tests.media.test_video_sender import DELTA, IDR, Publisher
from tests.support.coded_video import access_units
from tests.support.published import RTX_SSRC, SSRC


class Line(Publisher):
    """A publisher of whom some packets are asked for again."""

    def __init__(self, pictures=5, **options):
        super().__init__(**options)
        self.retransmitter = Retransmitter(self.sender, Random(4))
        for index in range(pictures):
            self.send(IDR if index == 0 else DELTA, 10.0 + index / 30)
        self.lane.leave()
        self.originals = {header.sequence: (header, payload) for header, payload in self.packets()}

    def ask(self, *sequences, now=10.5):
        return self.retransmitter.answer(Nack(7, SSRC, sequences), now)

    def repaired(self):
        self.lane.leave()
        return self.packets(RTX_SSRC)


def test_a_retransmission_is_the_packet_behind_its_number_on_a_stream_of_its_own():
    line = Line()
    wanted = sorted(line.originals)[:3]
    assert line.ask(*wanted) == 3
    answers = line.repaired()
    assert [seq_delta(header.sequence, answers[0][0].sequence) for header, _ in answers] == [0, 1, 2]
    for (header, payload), sequence in zip(answers, wanted, strict=True):
        original, original_payload = line.originals[sequence]
        assert rtx.unwrap(payload) == (sequence, original_payload)
        assert (header.payload_type, header.timestamp, header.marker) == (106, original.timestamp, original.marker)
    assert line.counters.retransmitted == 3
    assert line.counters.nacked == 3


def test_each_retransmission_has_a_fresh_nonce_and_names_itself_repaired():
    line = Line()
    (sequence, *_) = line.originals
    for number in range(3):
        assert line.ask(sequence, now=10.5 + number) == 1
    line.lane.leave()
    assert len({datagram[-4:] for datagram in line.datagrams}) == len(line.datagrams)
    datagram = line.datagrams[-1]
    header = parse_header(datagram)
    body = line.sealer.open(datagram, header.clear_bytes)[: header.extension_bytes]
    assert sorted(parse_extensions(body)) == [3, 5, 6, 7, 12]


def test_transport_numbers_run_over_both_streams():
    line = Line()
    line.ask(*list(line.originals)[:2])
    line.send(DELTA, 11.0)
    line.lane.leave()
    numbers = []
    for datagram in line.datagrams:
        header = parse_header(datagram)
        body = line.sealer.open(datagram, header.clear_bytes)[: header.extension_bytes]
        numbers.append(int.from_bytes(parse_extensions(body)[5], "big"))
    assert numbers == list(range(len(numbers)))


def test_several_who_ask_at_once_are_answered_once():
    line = Line()
    (sequence, *_) = line.originals
    assert line.ask(sequence, sequence, now=10.5) == 1
    assert line.ask(sequence, now=10.5 + AGAIN_AFTER_S / 2) == 0
    assert line.ask(sequence, now=10.5 + 0.1) == 1


def test_what_is_unknown_or_of_another_key_is_not_sent():
    line = Line()
    (sequence, *_) = line.originals
    assert line.ask(seq_add(sequence, 500), now=10.5) == 0
    assert line.ask(sequence, now=10.5) == 1
    line.repaired()
    line.datagrams.clear()
    line.cipher.accept_clear_until(1.0)
    assert line.ask(sequence, now=11.0) == 0
    assert line.repaired() == []


def test_what_is_old_is_not_sent():
    line = Line()
    (sequence, *_) = line.originals
    assert line.ask(sequence, now=10.0 + OLDEST_S - 0.1) == 1
    assert line.ask(sequence, now=10.0 + OLDEST_S + 0.1) == 0


def test_a_key_that_changes_before_it_leaves_stops_a_retransmission():
    line = Line()
    (sequence, *_) = line.originals
    assert line.ask(sequence) == 1
    line.cipher.accept_clear_until(1.0)
    assert line.repaired() == []
    assert line.counters.retransmitted == 0


def test_a_flood_of_requests_gets_a_bounded_rate():
    line = Line(pictures=900)
    newest = sorted(line.originals, key=lambda number: seq_delta(number, next(iter(line.originals))))[-800:]
    now = 10.0 + 900 / 30
    recent = [number for number in newest if now - line.sender.cache.find(number).queued_at < OLDEST_S]
    total = sum(line.ask(*recent, now=now + 0.05 * step) for step in range(41))
    assert 2.0 * RATE_PACKETS < total <= 3.0 * RATE_PACKETS + 1, "one burst, and two seconds' worth"


@pytest.mark.parametrize("loss", [0.03, 0.2])
def test_a_viewer_who_loses_packets_gets_all_of_them_by_asking(loss):
    rng, line = Random(6), Line(pictures=0)
    units = access_units(60)
    held, first, asked_from = {}, None, 0
    for index, data in enumerate(units):
        now = 10.0 + index / 30
        line.send(AccessUnit(data, keyframe=index % 30 == 0), now)
        for attempt in range(4):
            line.lane.leave()
            for datagram in line.datagrams:
                header = parse_header(datagram)
                payload = strip(header, line.sealer.open(datagram, header.clear_bytes))
                first = header.sequence if first is None else first
                if rng.random() < loss and (index, attempt) != (0, 0):
                    continue
                repaired = rtx.unwrap(payload) if header.ssrc == RTX_SSRC else (header.sequence, payload)
                held[seq_delta(repaired[0], first)] = (repaired[1], header.marker)
            line.datagrams.clear()
            missing = [number for number in range(asked_from, max(held) + 1) if number not in held]
            line.ask(*(seq_add(first, number) for number in missing), now=now + 0.05 * attempt)
        asked_from = max(0, max(held) - 400)
    whole = sorted(held)
    assert whole == list(range(len(whole)))
    stream = b"".join(depacketise(held[number][0]).data for number in whole)
    assert split_annex_b(stream) == [nal for data in units for nal in split_annex_b(data)]


def test_a_full_lane_drops_the_answer_and_that_is_counted():
    line = Line()
    line.lane.full = True
    assert line.ask(*line.originals) == 0
    assert (line.counters.repairs_refused, line.counters.packets_dropped) == (len(line.originals), 0)


@pytest.mark.parametrize("count", [0, 2_000])
def test_any_length_of_a_request_is_survived(count):
    line = Line()
    assert line.ask(*(number % 65_536 for number in range(count))) <= RATE_PACKETS
