"""What is seen through a whole pipeline: real x264 and libvpx, real DAVE of two libraries, a real transport."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clankvox.ids import Attempt, Ssrc
from clankvox.media.packet_sealer import PacketSealer
from clankvox.media.video_receiver import MOST_STREAMS
from clankvox.media.watch_list import RemoteStream
from clankvox.wire import h264, rtcp
from clankvox.wire.transport_crypto import TransportMode
from clankvox.wire.video_codec import VideoCodec
from tests.support.coded_video import access_units
from tests.support.dave_room import DaveRoom
from tests.support.hearing import ALICE, BOB, KEY, ME, room_of
from tests.support.watching import OWN_SSRC, RTX_SSRC, VIDEO_SSRC, WISH, Eyes, Filmer, widened

UNITS = access_units(40, gop=20)
PLAIN = [widened(unit) for unit in UNITS]
VP8 = access_units(20, codec=VideoCodec.VP8, gop=10)


@pytest.fixture(scope="module", params=["davey", "libdave"])
def room(request):
    room = DaveRoom()
    room.join(ME)
    for user in (ALICE, BOB):
        room.join(user, request.param)
    return room.run()


def filmer(room, **kwargs):
    return Filmer(room.members[ALICE], **kwargs)


def test_every_picture_of_a_member_of_either_library_arrives_whole(room):
    eyes = Eyes(room).watch(ALICE)
    eyes.see(filmer(room).frames(UNITS))
    assert eyes.units == PLAIN
    assert (eyes.totals.dave_decrypt_ok, eyes.totals.dave_decrypt_fail, eyes.totals.lost) == (40, 0, 0)
    assert [unit.keyframe for unit in eyes.seen.units] == ([True] + [False] * 19) * 2
    assert [unit.rtp_timestamp for unit in eyes.seen.units[:2]] == [0xFFFF_0000, 0xFFFF_0000 + 3_000]
    unit = eyes.seen.units[0]
    assert (unit.user_id, unit.ssrc, unit.attempt, unit.stream_type, unit.rid) == (
        ALICE,
        VIDEO_SSRC,
        1,
        "screen",
        "100",
    )
    assert unit.dave_decrypted


@pytest.mark.parametrize("slices", [2, 5])
def test_pictures_of_several_slices_arrive_whole(room, slices):
    units = access_units(10, slices=slices, aud=1)
    eyes = Eyes(room).watch(ALICE)
    eyes.see(filmer(room).frames(units))
    assert eyes.units == [widened(unit) for unit in units]


def test_vp8_arrives_too(room):
    eyes = Eyes(room).watch(ALICE)
    eyes.see(filmer(room, codec=VideoCodec.VP8).frames(VP8))
    assert eyes.units == list(VP8)
    assert [unit.codec for unit in eyes.seen.units] == [VideoCodec.VP8] * 20
    assert eyes.seen.units[0].keyframe


def test_who_sends_is_told_once(room):
    eyes = Eyes(room).watch(ALICE)
    eyes.see(filmer(room).frames(UNITS[:5]))
    assert eyes.seen.facts == [("member_heard", VIDEO_SSRC, ALICE)]


def test_padding_only_packets_break_no_picture(room):
    eyes, camera = Eyes(room).watch(ALICE), filmer(room)
    frames = []
    for unit in UNITS:
        frames += [camera.frame(unit), [camera.probe()]]
    eyes.see(frames, 0.01)
    assert eyes.units == PLAIN


class LossyWay:
    """Loses, swaps and repeats packets; answers each NACK after 60 ms, over the same way."""

    def __init__(self, eyes, camera, loss, rng):
        self.eyes, self.camera, self.loss, self.rng = eyes, camera, loss, rng
        self.asked, self.pending = 0, []

    def send(self, packets):
        rng = self.rng
        packets = [packet for packet in packets if rng.random() >= self.loss]
        packets += [packet for packet in packets if rng.random() < 0.05]
        for place in range(len(packets) - 1):
            if rng.random() < 0.1:
                packets[place], packets[place + 1] = packets[place + 1], packets[place]
        for packet in packets:
            self.eyes.feed(packet)
        self.wait(1 / 30)

    def wait(self, seconds):
        for _ in range(round(seconds / 0.008)):
            nacked = self.eyes.seen.nacked
            wanted, self.asked = nacked[self.asked :], len(nacked)
            answers = [packet for packet in self.camera.again(wanted) if self.rng.random() >= self.loss]
            self.pending += [(self.eyes.now + 0.06, packet) for packet in answers]
            self.eyes.wait(0.008)
            while self.pending and self.pending[0][0] <= self.eyes.now:
                self.eyes.feed(self.pending.pop(0)[1])


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_with_retransmissions_no_picture_of_a_lossy_network_is_lost(seed):
    eyes, camera = Eyes(SHARED).watch(ALICE), filmer(SHARED)
    eyes.see([camera.frame(UNITS[0])])
    way = LossyWay(eyes, camera, 0.03, random.Random(seed))
    for unit in UNITS[1:]:
        way.send(camera.frame(unit))
    eyes.feed(camera.probe())  # shows whether the last packet was lost
    way.wait(0.5)
    if not eyes.totals.lost:  # a packet and three repetitions of it: once in a million
        assert eyes.units == PLAIN
    assert eyes.totals.lost <= 1


def test_a_lost_packet_is_asked_for_at_once_and_comes_back(room):
    eyes, camera = Eyes(room).watch(ALICE), filmer(room)
    frames = camera.frames(UNITS)
    eyes.see(frames[:3])
    eyes.feed(frames[3][0])
    missing = (camera.sequence - sum(map(len, frames[3:])) + 1) & 0xFFFF
    for packet in frames[3][2:]:
        eyes.feed(packet)
    assert eyes.seen.nacked == [missing]
    assert len(eyes.units) == 3
    for packet in camera.again([missing], padding=5):
        eyes.feed(packet)
    assert len(eyes.units) == 4
    eyes.see(frames[4:])
    assert eyes.units == PLAIN
    assert (eyes.totals.rtx_recovered, eyes.totals.lost, eyes.totals.plis) == (1, 0, 1)


def test_without_answers_a_lost_picture_asks_for_a_key_frame_and_deltas_wait_for_it(room):
    eyes, camera = Eyes(room).watch(ALICE), filmer(room)
    frames = camera.frames(UNITS)
    eyes.see(frames[:3])
    eyes.wait(1.0)
    before, plis = eyes.now, len(eyes.seen.of(rtcp.Pli))
    eyes.see([frames[3][:-1]])
    while len(eyes.seen.of(rtcp.Pli)) == plis:
        eyes.see([frames[4]])
        frames.pop(4)
    assert eyes.now - before < 0.4
    assert eyes.seen.of(rtcp.Pli)[-1] == rtcp.Pli(OWN_SSRC, VIDEO_SSRC)
    eyes.see(frames[4:])
    assert eyes.units == PLAIN[:3] + PLAIN[20:]
    assert eyes.totals.lost == 1
    assert eyes.totals.keyframe_waits > 0


def test_nothing_is_asked_for_in_clear_or_before_there_is_a_group():
    eyes = Eyes().watch(ALICE)
    eyes.wait(5.0)
    assert eyes.seen.feedback == []
    assert eyes.seen.facts == []


def test_a_key_frame_is_asked_for_as_soon_as_there_is_a_group_and_again_each_second(room):
    eyes = Eyes().watch(ALICE)
    eyes.join(room)
    eyes.pipeline.poll(eyes.now)
    assert eyes.seen.feedback == [rtcp.Pli(OWN_SSRC, VIDEO_SSRC)]
    eyes.wait(4.5)
    assert len(eyes.seen.of(rtcp.Pli)) == 5
    assert [fir.requests[0].ssrc for fir in eyes.seen.of(rtcp.Fir)] == [VIDEO_SSRC] * 2
    assert [fir.requests[0].command for fir in eyes.seen.of(rtcp.Fir)] == [1, 2]
    assert eyes.seen.facts == [("picture_overdue", VIDEO_SSRC)] * 2


def test_pictures_that_outran_the_group_are_seen_in_order_once_it_is_there(room):
    eyes = Eyes().watch(ALICE)
    eyes.see(filmer(room).frames(UNITS[:25]))
    assert eyes.units == []
    eyes.join(room)
    eyes.pipeline.poll(eyes.now)
    assert eyes.units == PLAIN[:25]
    assert eyes.totals.dave_decrypt_fail == 0


def test_a_loss_among_pictures_that_outran_the_group_counts_in_its_turn(room):
    eyes, camera = Eyes().watch(ALICE), filmer(room)
    frames = camera.frames(UNITS[:25])
    del frames[10][1]
    eyes.see(frames)
    eyes.join(room)
    eyes.pipeline.poll(eyes.now)
    assert eyes.units == PLAIN[:10] + PLAIN[20:25]


def test_pictures_that_outran_the_group_by_too_long_are_dropped(room):
    eyes = Eyes().watch(ALICE)
    eyes.see(filmer(room).frames(UNITS[:25]))
    eyes.wait(10.0)
    eyes.join(room)
    eyes.pipeline.poll(eyes.now)
    assert eyes.units == []
    assert eyes.totals.dave_decrypt_fail == 25


def test_pictures_in_clear_are_refused_while_encryption_is_on(room):
    eyes = Eyes(room).watch(ALICE)
    eyes.see(Filmer().frames(UNITS[:5]))
    assert eyes.units == []
    assert eyes.totals.dave_decrypt_fail == 5


def test_pictures_in_clear_are_seen_in_version_zero():
    eyes = Eyes(clear=True).watch(ALICE)
    eyes.see(Filmer().frames(UNITS))
    assert eyes.units == PLAIN
    assert eyes.totals.dave_passthrough == 40
    assert not eyes.seen.units[0].dave_decrypted


def test_pictures_in_clear_are_seen_within_an_announced_change(room):
    eyes = Eyes(room).watch(ALICE)
    eyes.cipher.accept_clear_until(eyes.now + 10 / 30)
    eyes.see(Filmer().frames(UNITS))
    assert 9 <= len(eyes.units) <= 11
    assert eyes.units == PLAIN[: len(eyes.units)]


def test_the_sender_is_found_when_op_12_is_wrong_or_late(room):
    for announced in (BOB, None):
        eyes = Eyes(room)
        wished = RemoteStream(ALICE, Ssrc(77), None, None, None, WISH)
        wrong = [RemoteStream(announced, VIDEO_SSRC, RTX_SSRC, None, None, WISH)] if announced else []
        eyes.pipeline.watch((wished, *wrong))
        eyes.see(filmer(room).frames(UNITS[:5]))
        assert eyes.units == PLAIN[:5]
        assert {unit.user_id for unit in eyes.seen.units} == {ALICE}
        told = None if announced else "screen"  # what comes on this role is one, whoever has not said so yet
        assert {unit.stream_type for unit in eyes.seen.units} == {told}


@pytest.mark.parametrize("before", [False, True])
@pytest.mark.parametrize(
    "false",
    [
        [RemoteStream(BOB, VIDEO_SSRC, None, None, None, None)],
        [RemoteStream(BOB, Ssrc(77), VIDEO_SSRC, None, None, None)],
        [RemoteStream(BOB, Ssrc(1_000 + index), None, None, None, None) for index in range(600)],
    ],
    ids=["as a stream", "as a repair stream", "by its number"],
)
def test_what_another_user_says_of_his_own_video_hides_nobody(room, false, before):
    eyes = Eyes(room)
    true = [RemoteStream(ALICE, VIDEO_SSRC, RTX_SSRC, "screen", "100", WISH)]
    eyes.pipeline.watch(tuple(true + false if before else false + true))
    eyes.see(filmer(room).frames(UNITS[:5]))
    assert eyes.units == PLAIN[:5]


def test_what_op_12_says_in_the_midst_of_a_stream_holds_from_the_next_picture_on(room):
    eyes, camera = Eyes(room).watch(ALICE), filmer(room)
    frames = camera.frames(UNITS)
    eyes.see(frames[:3])
    eyes.pipeline.watch((RemoteStream(ALICE, VIDEO_SSRC, RTX_SSRC, "video", "50", WISH),))
    eyes.see(frames[3:6])
    assert [(unit.stream_type, unit.rid) for unit in eyes.seen.units[3:]] == [("video", "50")] * 3
    assert {unit.rid for unit in eyes.seen.units[:3]} != {"50"}
    assert eyes.units == PLAIN[:6]


def test_a_user_whom_nobody_watches_is_not_seen_whatever_his_ssrc(room):
    eyes = Eyes(room)
    eyes.pipeline.watch((RemoteStream(BOB, Ssrc(77), None, None, None, WISH),))
    eyes.see(filmer(room).frames(UNITS[:5]))
    assert eyes.units == []
    eyes.watch(ALICE, wish=None)
    tried = eyes.engine.tried
    eyes.see(filmer(room).frames(UNITS[:5]))
    assert eyes.engine.tried == tried
    assert eyes.units == []
    assert eyes.totals.unwanted > 0


def test_what_is_not_wanted_any_more_ends_and_begins_anew_with_a_key_frame(room):
    eyes, camera = Eyes(room).watch(ALICE), filmer(room)
    frames = camera.frames(UNITS)
    eyes.see(frames[:3])
    eyes.watch(ALICE, wish=None)
    assert eyes.seen.ended == [VIDEO_SSRC]
    eyes.see(frames[3:6])
    eyes.watch(ALICE)
    eyes.see(frames[6:])
    assert eyes.units == PLAIN[:3] + PLAIN[20:]


def test_a_member_who_left_and_a_connection_that_ended_are_forgotten(room):
    eyes, camera = Eyes(room).watch(ALICE), filmer(room)
    eyes.see(camera.frames(UNITS[:3]))
    eyes.pipeline.forget_user(ALICE)
    eyes.see(camera.frames(UNITS[3:6]))
    assert (len(eyes.units), eyes.seen.ended) == (3, [VIDEO_SSRC])
    eyes.watch(ALICE)
    eyes.pipeline.detach()
    eyes.see(camera.frames(UNITS[:3]))
    assert len(eyes.units) == 3
    eyes.pipeline.attach(Attempt(2), OWN_SSRC)
    eyes.pipeline.open_with(PacketSealer(TransportMode.AES256_GCM, KEY))
    eyes.watch(ALICE)
    eyes.see(filmer(room).frames(UNITS[:3]))
    assert [unit.attempt for unit in eyes.seen.units[3:]] == [2] * 3


def test_a_sink_that_dropped_a_picture_gets_no_deltas_until_the_next_key_frame(room):
    eyes, camera = Eyes(room).watch(ALICE), filmer(room)
    frames = camera.frames(UNITS)
    eyes.see(frames[:5])
    eyes.seen.accepting = False
    eyes.see(frames[5:6])
    eyes.seen.accepting = True
    eyes.see(frames[6:])
    assert eyes.units == PLAIN[:6] + PLAIN[20:]


def test_a_decoder_that_lost_track_is_helped_by_a_key_frame(room):
    eyes, camera = Eyes(room).watch(ALICE), filmer(room)
    frames = camera.frames(UNITS)
    eyes.see(frames[:5])
    eyes.wait(1.0)
    plis = eyes.totals.plis
    eyes.pipeline.require_keyframe(VIDEO_SSRC, eyes.now)
    assert eyes.totals.plis == plis + 1
    eyes.see(frames[5:])
    assert eyes.units == PLAIN[:5] + PLAIN[20:]


def test_key_frames_get_the_parameter_sets_that_their_sender_leaves_out(room):
    eyes, camera = Eyes(room).watch(ALICE), filmer(room)
    nals = h264.split_annex_b(UNITS[20])
    bare = h264.join_annex_b([nal for nal in nals if h264.nal_type(nal) == h264.NalType.IDR])
    eyes.see(camera.frames([*UNITS[:20], bare, *UNITS[21:]]))
    sets = [nal for nal in h264.split_annex_b(UNITS[0]) if h264.nal_type(nal) in {7, 8}]
    assert eyes.units[20] == h264.join_annex_b(sets) + bare
    assert eyes.units[21:] == PLAIN[21:]


def test_receivers_report_each_second_and_say_how_old_the_senders_report_is(room):
    eyes, camera = Eyes(room).watch(ALICE), filmer(room)
    report = rtcp.SenderReport(VIDEO_SSRC, 0x0000_1111_2222_3333, 0, 5, 5)
    frames = camera.frames(UNITS)
    eyes.see(frames[:10])
    eyes.feed(camera.sealer.seal_rtcp(rtcp.build_packet(report)))
    eyes.see(frames[10:])
    block = eyes.seen.of(rtcp.ReceiverReport)[-1].blocks[0]
    assert (block.ssrc, block.cumulative_lost, block.fraction_lost) == (VIDEO_SSRC, 0, 0)
    assert block.last_sr == 0x1111_2222
    assert 0 < block.delay_since_last_sr < 65_536
    assert 1 <= len(eyes.seen.of(rtcp.ReceiverReport)) <= 2
    assert eyes.requests == [(report, pytest.approx(eyes.now - 1, abs=0.1))]


def test_feedback_of_others_is_handed_on_and_rubbish_is_not():
    eyes, sealer = Eyes(clear=True), PacketSealer(TransportMode.AES256_GCM, KEY)
    asked = [rtcp.Pli(5, OWN_SSRC), rtcp.Nack(5, OWN_SSRC, (1, 2))]
    eyes.feed(sealer.seal_rtcp(rtcp.build_compound(asked)))
    compound = rtcp.build_compound(asked)
    eyes.feed(sealer.seal(compound[:4], compound[4:]))
    eyes.feed(sealer.seal_rtcp(compound[:10]))
    assert [packet for packet, _ in eyes.requests] == asked
    assert (eyes.pipeline.totals.rtcp, eyes.pipeline.totals.rtcp_refused) == (3, 2)


def test_streams_are_bounded_whatever_ssrcs_come():
    eyes = Eyes(clear=True).watch(ALICE)
    for ssrc in range(100, 200):
        camera = Filmer()
        header = camera._header(ssrc, 105, 1, 1, True, 0)
        eyes.feed(camera._seal(header, b"\x65abc", 0))
    assert len(eyes.video._streams) == MOST_STREAMS
    assert eyes.totals.streams_evicted == 101 - MOST_STREAMS


def test_our_own_packets_and_those_before_the_key_are_not_looked_at(room):
    eyes = Eyes(room)
    eyes.pipeline.attach(Attempt(2), VIDEO_SSRC)
    eyes.watch(ALICE)
    eyes.see(filmer(room).frames(UNITS[:2]))
    eyes.pipeline.open_with(PacketSealer(TransportMode.AES256_GCM, KEY))
    eyes.see(filmer(room).frames(UNITS[:2]))
    assert (eyes.totals.packets, eyes.units) == (0, [])


SHARED = room_of(ME, ALICE, BOB)
