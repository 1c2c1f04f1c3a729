import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clankvox.ids import Attempt, Ssrc
from clankvox.media.packet_sealer import PacketSealer
from clankvox.media.speaker import HELD_FRAMES, HELD_S
from clankvox.wire import ip_discovery
from clankvox.wire.rtp import SILENCE_FRAME
from clankvox.wire.transport_crypto import TransportMode
from tests.support.hearing import (
    ALICE,
    BOB,
    CAROL,
    KEY,
    ME,
    Ears,
    Talker,
    opus_packets,
    plain_decode,
    room_of,
)

SPEECH = opus_packets(0.6)
LONGER = opus_packets(3.0, seed=5)


@pytest.fixture(scope="module")
def room():
    return room_of(ME, ALICE, BOB, CAROL)


def alice(room, ssrc=7, **kwargs):
    return Talker(ssrc, room.members[ALICE], **kwargs)


def test_clean_input_decodes_bit_for_bit_as_plain_libopus(room):
    ears = Ears(room)
    ears.arm(ALICE)
    ears.hear(alice(room).packets(SPEECH))
    assert np.array_equal(ears.heard.pcm(ALICE), plain_decode(SPEECH))
    assert ears.fates(7) == {"decoded": len(SPEECH)}


@pytest.mark.parametrize("rate_hz", [8_000, 12_000, 16_000, 48_000])
def test_every_native_rate_comes_straight_from_the_decoder(room, rate_hz):
    ears = Ears(room)
    ears.arm(ALICE, rate_hz=rate_hz)
    ears.hear(alice(room).packets(SPEECH))
    assert np.array_equal(ears.heard.pcm(ALICE), plain_decode(SPEECH, rate_hz))


def test_any_other_rate_is_resampled_and_complete_when_speech_ends(room):
    ears = Ears(room)
    ears.arm(ALICE, rate_hz=22_050)
    ears.hear(alice(room).packets(SPEECH))
    ears.wait(0.5)
    assert len(ears.heard.pcm(ALICE)) == len(SPEECH) * 441


def test_in_order_no_packet_waits(room):
    ears = Ears(room)
    ears.arm(ALICE)
    for count, datagram in enumerate(alice(room).packets(SPEECH), 1):
        ears.pipeline.feed(datagram, ears.now)
        assert len(ears.heard.views) == count
        ears.now += 0.02


def test_padding_and_extensions_are_stripped_before_dave(room):
    ears = Ears(room)
    ears.arm(ALICE)
    talker = alice(room)
    ears.hear(talker.packet(frame, padding=n % 4, extension=n % 3 > 0) for n, frame in enumerate(SPEECH))
    assert np.array_equal(ears.heard.pcm(ALICE), plain_decode(SPEECH))


def test_packets_of_padding_only_use_up_a_sequence_number_and_no_time(room):
    ears = Ears(room)
    ears.arm(ALICE)
    talker = alice(room)
    for n, frame in enumerate(SPEECH):
        if n % 5 == 2:
            ears.feed(talker.packet(b"", ticks=0, padding=9))
        ears.feed(talker.packet(frame))
        ears.now += 0.02
    assert np.array_equal(ears.heard.pcm(ALICE), plain_decode(SPEECH))
    assert ears.fates(7) == {"decoded": len(SPEECH), "empty": 6}


def test_the_binding_needs_no_hint_and_is_told_once(room):
    ears = Ears(room)
    ears.hear(alice(room).packets(SPEECH[:5]))
    assert ears.heard.of("member_heard") == [("member_heard", 7, ALICE)]


def test_a_wrong_hint_binds_nobody(room):
    ears = Ears(room)
    ears.pipeline.hint(Ssrc(7), BOB)
    ears.arm(ALICE)
    ears.arm(BOB)
    ears.hear(alice(room).packets(SPEECH))
    assert len(ears.heard.pcm(BOB)) == 0
    assert np.array_equal(ears.heard.pcm(ALICE), plain_decode(SPEECH))


def test_clear_frames_are_refused_and_teach_nothing(room):
    ears = Ears(room)
    ears.pipeline.hint(Ssrc(7), ALICE)
    ears.arm(ALICE)
    forger = Talker(7, sequence=65_530, timestamp=0xFFFF_F000)
    forged = [*forger.packets(SPEECH[:3]), *Talker(7, sequence=40_000, timestamp=9).packets(SPEECH[:3])]
    ears.hear(forged)
    assert ears.heard.facts == []
    ears.hear(alice(room).packets(SPEECH))
    assert np.array_equal(ears.heard.pcm(ALICE), plain_decode(SPEECH))
    assert ears.fates(7) == {"decoded": len(SPEECH), "unencrypted": 6}
    assert ears.pipeline.totals.dave_decrypt_fail == 6


def test_clear_frames_between_authentic_ones_change_nothing(room):
    ears = Ears(room)
    ears.arm(ALICE)
    talker = alice(room)
    wild = Talker(7, sequence=12_000, timestamp=5)
    for frame in SPEECH:
        ears.feed(talker.packet(frame))
        ears.feed(wild.packet(frame))
        near = Talker(7, sequence=talker.sequence, timestamp=talker.timestamp)
        ears.feed(near.packet(frame))
        ears.now += 0.02
    assert np.array_equal(ears.heard.pcm(ALICE), plain_decode(SPEECH))


def test_silence_in_clear_is_accepted_and_binds_nobody(room):
    ears = Ears(room)
    ears.pipeline.hint(Ssrc(7), ALICE)
    ears.hear(Talker(7).silence())
    assert ears.heard.of("member_heard") == []
    assert ears.heard.of("speaking_started") == [("speaking_started", ALICE)]


def test_silence_alone_opens_no_speech(room):
    ears = Ears(room)
    ears.arm(ALICE)
    talker = alice(room)
    ears.hear([*talker.silence(), *talker.packets(SPEECH), *talker.silence()])
    ears.wait(1)
    assert ears.heard.of("speech_started", "speech_ended") == [
        ("speech_started", ALICE, 1),
        ("speech_ended", ALICE, 1),
    ]
    want = plain_decode([SILENCE_FRAME] * 5 + SPEECH + [SILENCE_FRAME] * 5)[5 * 480 :]
    assert np.array_equal(ears.heard.pcm(ALICE), want)
    assert ears.fates(7) == {"decoded": len(SPEECH) + 5, "quiet": 5}


def test_an_ssrc_that_changes_users_follows_the_proof(room):
    ears = Ears(room)
    ears.arm(ALICE)
    ears.arm(BOB)
    ears.hear(alice(room).packets(SPEECH))
    ears.hear(Talker(7, room.members[BOB], sequence=100, timestamp=4).packets(SPEECH))
    assert np.array_equal(ears.heard.pcm(ALICE), plain_decode(SPEECH))
    assert np.array_equal(ears.heard.pcm(BOB), plain_decode(SPEECH))
    assert [fact[2] for fact in ears.heard.of("member_heard")] == [ALICE, BOB]
    assert ears.check()[7].ledger.rebinds == 1


def test_a_user_who_moves_to_a_new_ssrc_is_heard_there_at_once(room):
    ears = Ears(room)
    ears.arm(ALICE)
    ears.hear(alice(room, ssrc=7).packets(SPEECH))
    ears.hear(alice(room, ssrc=8).packets(SPEECH))
    assert np.array_equal(ears.heard.pcm(ALICE), np.concatenate([plain_decode(SPEECH)] * 2))


def test_a_user_who_moves_to_a_new_ssrc_is_heard_to_the_end_on_the_old_one(room):
    ears = Ears(room)
    ears.arm(ALICE)
    packets = alice(room, ssrc=7).packets(SPEECH)
    ears.hear(packets[:-2] + packets[-1:])  # the last one waits for the one that is lost
    ears.hear(alice(room, ssrc=8).packets(SPEECH))
    assert ears.fates(7) == {"decoded": len(SPEECH) - 1, "concealed": 1}
    assert len(ears.heard.pcm(ALICE)) == 2 * len(SPEECH) * 480


def test_a_capture_armed_later_gets_what_was_said_before_on_either_ssrc(room):
    ears = Ears(room)
    for ssrc in (7, 8):
        ears.hear(alice(room, ssrc=ssrc).packets(SPEECH))
        ears.wait(0.15)
    ears.arm(ALICE)
    ears.pipeline.poll(ears.now)
    assert np.array_equal(ears.heard.pcm(ALICE), np.concatenate([plain_decode(SPEECH)] * 2))


def test_a_user_on_two_ssrcs_at_once_is_heard_on_one(room):
    ears = Ears(room)
    ears.arm(ALICE)
    old, new = alice(room, ssrc=7), alice(room, ssrc=8)
    ears.hear(old.packets(SPEECH[:5]))
    for frame in SPEECH:
        ears.feed(old.packet(frame))
        ears.feed(new.packet(frame))
        ears.now += 0.02
    assert ears.fates(8) == {"decoded": len(SPEECH)}
    assert ears.fates(7) == {"decoded": 6, "other_ssrc": len(SPEECH) - 1}


def test_what_comes_before_the_group_exists_is_heard_from_its_first_frame():
    room = room_of(ME, ALICE)
    ears = Ears()
    ears.arm(ALICE)
    ears.hear(alice(room).packets(SPEECH))
    assert ears.heard.pcm(ALICE).size == 0
    ears.join(room)
    ears.pipeline.poll(ears.now)
    assert np.array_equal(ears.heard.pcm(ALICE), plain_decode(SPEECH))


def test_what_waits_for_its_group_is_not_given_up_in_the_moment_in_which_we_get_time_again():
    room = room_of(ME, ALICE)
    ears = Ears()
    ears.arm(ALICE)
    ears.hear(alice(room).packets(SPEECH))
    ears.now += 2 * HELD_S
    ears.pipeline.poll(ears.now)
    ears.join(room)
    ears.pipeline.poll(ears.now)
    assert np.array_equal(ears.heard.pcm(ALICE), plain_decode(SPEECH))


def test_what_comes_before_the_transport_key_is_heard_from_its_first_frame(room):
    ears = Ears(room)
    ears.attach(2, key=KEY[::-1])
    ears.pipeline.detach()
    ears.pipeline.attach(Attempt(3), Ssrc(999))
    ears.arm(ALICE)
    ears.hear(alice(room).packets(SPEECH))
    ears.pipeline.open_with(PacketSealer(TransportMode.AES256_GCM, KEY))
    ears.pipeline.poll(ears.now)
    assert np.array_equal(ears.heard.pcm(ALICE), plain_decode(SPEECH))
    assert ears.pipeline.totals.before_key == 0


def test_what_was_said_on_one_connection_does_not_colour_what_is_said_on_the_next(room):
    ears = Ears(room)
    ears.arm(ALICE)
    ears.hear(alice(room).packets(SPEECH))
    before = ears.heard.pcm(ALICE).size
    ears.pipeline.detach()
    ears.attach(2)
    ears.hear(alice(room, ssrc=8).packets(LONGER[:20]))
    assert np.array_equal(ears.heard.pcm(ALICE)[before:], plain_decode(LONGER[:20]))


def test_what_comes_too_early_to_be_kept_until_the_transport_key_is_counted(room):
    ears = Ears(room)
    ears.pipeline.detach()
    first, second, third, fourth = alice(room).packets(SPEECH[:4])
    ears.feed(first)  # nobody has told us our own SSRC: there is no session that it could be of
    assert ears.pipeline.totals.before_key == 1
    ears.pipeline.attach(Attempt(2), Ssrc(999))
    ears.feed(second)
    ears.now += HELD_S
    ears.feed(third)
    assert ears.pipeline.totals.before_key == 2
    ears.pipeline.open_with(PacketSealer(TransportMode.AES256_GCM, KEY))
    ears.feed(fourth)
    assert ears.check()[7].ledger.arrived == 2
    ears.pipeline.detach()
    assert ears.pipeline.totals.before_key == 2


def test_packets_held_out_of_order_are_played_in_order():
    room = room_of(ME, ALICE)
    ears = Ears()
    ears.arm(ALICE)
    datagrams = alice(room).packets(SPEECH)
    datagrams[0], datagrams[1], datagrams[6], datagrams[9] = datagrams[1], datagrams[0], datagrams[9], datagrams[6]
    ears.hear(datagrams)
    ears.join(room)
    ears.pipeline.poll(ears.now)
    assert np.array_equal(ears.heard.pcm(ALICE), plain_decode(SPEECH))


def test_held_packets_age_out_by_cause(room):
    ears = Ears()
    ears.hear(alice(room).packets(SPEECH))
    ears.wait(3)
    assert ears.fates(7) == {"no_group": len(SPEECH)}
    assert ears.pipeline.totals.dave_decrypt_fail == len(SPEECH)
    assert ears.check()[7].pending == 0


def test_the_oldest_of_too_many_held_packets_goes(room):
    ears = Ears()
    ears.hear(alice(room).packets(LONGER * 3), interval_s=0.001)
    assert ears.check()[7].pending == HELD_FRAMES
    assert ears.fates(7) == {"no_group": 3 * len(LONGER) - HELD_FRAMES}


def test_a_capture_armed_later_gets_what_was_said_before(room):
    ears = Ears(room)
    datagrams = alice(room).packets(SPEECH)
    ears.hear(datagrams[:20])
    assert ears.heard.of("speaking_started")
    ears.arm(ALICE, capture_id="k1")
    ears.hear(datagrams[20:])
    assert np.array_equal(ears.heard.pcm(ALICE, "k1"), plain_decode(SPEECH))
    assert ears.check()[7].pending == 0


def test_without_a_capture_two_seconds_are_kept(room):
    ears = Ears(room)
    ears.hear(alice(room).packets(LONGER))
    ears.now -= 0.01
    ears.arm(ALICE)
    ears.pipeline.poll(ears.now)
    assert np.array_equal(ears.heard.pcm(ALICE), plain_decode(LONGER[-100:]))
    assert ears.fates(7) == {"uncaptured": len(LONGER) - 100, "decoded": 100}


def test_without_a_capture_only_so_many_frames_are_kept(room):
    ears = Ears(room)
    ears.hear(alice(room).packets(LONGER * 3), interval_s=0.001)
    assert ears.check()[7].pending == HELD_FRAMES
    ears.wait(3)
    assert ears.fates(7) == {"uncaptured": 3 * len(LONGER)}


def test_speech_ends_after_the_silence_duration_and_the_arming_is_over(room):
    ears = Ears(room)
    ears.arm(ALICE, silence_ms=300)
    talker = alice(room)
    ears.hear(talker.packets(SPEECH))
    last = ears.now - 0.02
    ears.wait(last + 0.299 - ears.now)
    assert ears.heard.of("speech_ended") == []
    ears.wait(0.002)
    assert ears.heard.of("speech_ended") == [("speech_ended", ALICE, 1)]
    ears.hear(talker.packets(SPEECH[:10]))
    assert len(ears.heard.pcm(ALICE)) == 480 * len(SPEECH)
    ears.arm(ALICE, arming=2)
    ears.hear(talker.packets(SPEECH[10:]))
    assert np.array_equal(ears.heard.pcm(ALICE), plain_decode(SPEECH + SPEECH))
    assert ears.heard.of("speech_started") == [("speech_started", ALICE, 1), ("speech_started", ALICE, 2)]


def test_two_held_utterances_become_two_armings(room):
    ears = Ears(room)
    talker = alice(room)
    ears.hear(talker.packets(SPEECH[:10]))
    ears.now += 0.5
    ears.hear(talker.packets(SPEECH[10:20]))
    ears.arm(ALICE, arming=1, silence_ms=200)
    ears.pipeline.poll(ears.now)
    assert len(ears.heard.pcm(ALICE)) == 480 * 10
    assert ears.heard.of("speech_ended") == [("speech_ended", ALICE, 1)]
    ears.arm(ALICE, arming=2, silence_ms=200)
    ears.pipeline.poll(ears.now)
    assert np.array_equal(ears.heard.pcm(ALICE), plain_decode(SPEECH[:20]))


def test_after_withdraw_nothing_is_delivered(room):
    ears = Ears(room)
    ears.arm(ALICE)
    datagrams = alice(room).packets(SPEECH)
    ears.hear(datagrams[:10])
    ears.board.withdraw(ALICE)
    ears.hear(datagrams[10:])
    ears.wait(1)
    assert len(ears.heard.pcm(ALICE)) == 4800
    assert ears.heard.of("speech_ended") == []


def test_speaking_is_told_once_and_ends_after_100_ms(room):
    ears = Ears(room)
    ears.hear(alice(room).packets(SPEECH))
    ears.wait(0.079)
    assert ears.heard.of("speaking_started", "speaking_ended") == [("speaking_started", ALICE)]
    ears.wait(0.002)
    assert ears.heard.of("speaking_ended") == [("speaking_ended", ALICE)]


def of_several_frames(packets, count):
    """Packets of `count` frames each (RFC 6716 section 3.2.5: code 3, with a length for every frame but the last)."""
    for start in range(0, len(packets) - count + 1, count):
        frames = [packet[1:] for packet in packets[start : start + count]]
        sizes = [len(frame) for frame in frames[:-1]]
        lengths = [bytes([n]) if n < 252 else bytes([252 + n % 4, (n - 252 - n % 4) // 4]) for n in sizes]
        yield bytes([packets[0][0] & 0xFC | 3, 0x80 | count]) + b"".join(lengths + frames)


@pytest.mark.parametrize("frames", [5, 6])
def test_packets_as_long_as_can_be_are_one_speech(frames):
    ears, talker = Ears(clear=True), Talker(7)
    ears.pipeline.hint(Ssrc(7), ALICE)
    ears.arm(ALICE, silence_ms=100)
    packets = [*of_several_frames(opus_packets(1.2, channels=1), frames)]
    for packet in packets:
        ears.feed(talker.packet(packet, ticks=frames * 960))
        ears.wait(frames * 0.02)
    ears.wait(0.1)
    told = ears.heard.of("speaking_started", "speaking_ended", "speech_ended")
    assert [fact[0] for fact in told] == ["speaking_started", "speaking_ended", "speech_ended"]
    assert len(ears.heard.pcm(ALICE)) == len(packets) * frames * 480


@pytest.mark.parametrize("capture", [False, True])
def test_duplicates_and_late_packets_only_count(room, capture):
    ears = Ears(room)
    if capture:
        ears.arm(ALICE)
    datagrams = alice(room).packets(SPEECH)
    late = datagrams.pop(10)
    for n, datagram in enumerate(datagrams):
        ears.feed(datagram)
        ears.feed(datagram)
        if n == 20:
            ears.feed(late)
            ears.feed(late)
        ears.now += 0.02
    ears.wait(5)
    ledger = ears.check()[7].ledger
    assert ledger.fates["duplicate"] == len(datagrams) + 1
    assert ledger.fates["late"] == 1
    assert ledger.expected == len(SPEECH) + len(datagrams) + 1
    if capture:
        assert len(ears.heard.pcm(ALICE)) == 480 * len(SPEECH)


def test_a_swapped_pair_is_put_right_without_concealment(room):
    ears = Ears(room)
    ears.arm(ALICE)
    datagrams = alice(room).packets(SPEECH)
    datagrams[10], datagrams[11] = datagrams[11], datagrams[10]
    ears.hear(datagrams)
    assert np.array_equal(ears.heard.pcm(ALICE), plain_decode(SPEECH))


def test_a_gap_waits_no_longer_than_60_ms(room):
    ears = Ears(room)
    ears.arm(ALICE)
    datagrams = alice(room).packets(SPEECH)
    ears.hear(datagrams[:10])
    ears.feed(datagrams[11])
    assert len(ears.heard.pcm(ALICE)) == 4800
    ears.wait(0.0601)
    assert len(ears.heard.pcm(ALICE)) == 480 * 12


def test_a_sender_who_starts_again_is_heard_at_once(room):
    ears = Ears(room)
    ears.arm(ALICE)
    talker = alice(room)
    ears.hear(talker.packets(SPEECH))
    for sequence, timestamp in ((300, 77), (60_000, 0x8000_0000), (talker.sequence & 0xFFFF, 5)):
        talker.sequence, talker.timestamp = sequence, timestamp
        before = len(ears.heard.views)
        ears.hear(talker.packets(SPEECH[:5]))
        assert len(ears.heard.views) == before + 5
    assert ears.check()[7].ledger.missing == 0


def test_a_sender_who_starts_again_with_the_same_numbers_is_heard_after_two_frames(room):
    ears = Ears(room)
    ears.arm(ALICE)
    ears.hear(alice(room).packets(LONGER))
    ears.hear(alice(room).packets(SPEECH))
    ledger = ears.check()[7].ledger
    assert ledger.fates["duplicate"] == 2
    assert ledger.fates["decoded"] == len(LONGER) + len(SPEECH) - 2


@pytest.mark.parametrize("clear", [False, True])
def test_a_pause_is_not_filled_whichever_way_the_clock_counts(room, clear):
    ears = Ears(room, clear=clear)
    ears.pipeline.hint(Ssrc(7), ALICE)
    ears.arm(ALICE, silence_ms=5_000)
    talker = Talker(7) if clear else alice(room)
    ears.hear(talker.packets(SPEECH))
    ears.now += 1
    ears.hear(talker.packets(SPEECH))  # the clock stood still
    ears.now += 1
    talker.timestamp += 48_000  # the clock went on
    ears.hear(talker.packets(SPEECH))
    assert np.array_equal(ears.heard.pcm(ALICE), plain_decode(SPEECH * 3))


def test_without_dave_the_hint_is_the_binding():
    ears = Ears(clear=True)
    ears.arm(ALICE)
    datagrams = Talker(7).packets(SPEECH)
    ears.hear(datagrams[:10])
    assert ears.heard.facts == []
    ears.pipeline.hint(Ssrc(7), ALICE)
    ears.hear(datagrams[10:])
    assert np.array_equal(ears.heard.pcm(ALICE), plain_decode(SPEECH))
    assert ears.heard.of("member_heard") == []


def test_opus_rubbish_that_authenticates_is_counted_and_hurts_nobody(room):
    ears = Ears(room)
    ears.arm(ALICE)
    ears.arm(BOB)
    mallory, bob = alice(room), Talker(8, room.members[BOB])
    rubbish = [b"\xff\xff\x00", b"\x03", b"\x7f\x3f" + bytes(9), b"\x0f\xff", bytes(range(200, 240)) * 3]
    for n, frame in enumerate(SPEECH):
        ears.feed(mallory.packet(rubbish[n % 5] if 5 < n < 15 else frame))
        ears.feed(bob.packet(frame))
        ears.now += 0.02
    assert np.array_equal(ears.heard.pcm(BOB), plain_decode(SPEECH))
    assert ears.fates(7)["codec_failed"] > 0
    assert ears.fates(8) == {"decoded": len(SPEECH)}


def test_pcm_is_wiped_after_hand_over_and_after_drops(room):
    ears = Ears(room)
    ears.arm(ALICE)
    datagrams = alice(room).packets(SPEECH)
    ears.hear(datagrams[:10])
    ears.heard.accepting = False
    ears.hear(datagrams[10:])
    assert not any(any(view) for view in ears.heard.views)
    assert ears.fates(7) == {"decoded": 10, "boundary_dropped": len(SPEECH) - 10}


def test_36_undecryptable_frames_in_a_row_are_told(room):
    stranger = room_of(50, 51).members[50]
    ears = Ears(room)
    ears.pipeline.hint(Ssrc(7), ALICE)
    ears.hear(Talker(7, stranger).packets(LONGER[:80]))
    assert ears.heard.of("undecryptable") == [("undecryptable", 7, None, 36), ("undecryptable", 7, None, 72)]
    assert ears.heard.of("speaking_started", "member_heard") == []


def test_garbage_costs_a_bounded_search(room):
    stranger = room_of(50, 51).members[50]
    ears = Ears(room)
    ears.hear(Talker(7, stranger).packets(LONGER))
    assert ears.engine.tried <= len(LONGER) * (2 + len(room.members))


def test_a_user_who_left_is_forgotten(room):
    ears = Ears(room)
    ears.pipeline.hint(Ssrc(7), ALICE)
    datagrams = alice(room).packets(SPEECH)
    ears.hear(datagrams[:10])
    ears.pipeline.forget_user(ALICE)
    ears.heard.facts.clear()
    ears.hear(datagrams[10:15])
    assert ears.heard.facts == []
    ears.pipeline.hint(Ssrc(7), ALICE)
    ears.hear(datagrams[15:])
    assert ears.heard.of("speaking_started") == [("speaking_started", ALICE)]
    ears.check()


def test_detach_ends_speaking_and_forgets_ssrcs_but_speech_goes_on_after_a_quick_return(room):
    ears = Ears(room)
    ears.arm(ALICE, silence_ms=1_000)
    ears.hear(alice(room).packets(SPEECH))
    ears.pipeline.detach()
    assert ears.heard.of("speaking_ended") == [("speaking_ended", ALICE)]
    assert ears.pipeline.reports() == []
    assert ears.pipeline.ended_streams().fates["decoded"] == len(SPEECH)
    ears.now += 0.3
    ears.attach(attempt=2)
    ears.hear(alice(room, ssrc=70).packets(SPEECH))
    ears.wait(2)
    assert ears.heard.of("speech_started", "speech_ended") == [
        ("speech_started", ALICE, 1),
        ("speech_ended", ALICE, 1),
    ]
    assert np.array_equal(ears.heard.pcm(ALICE), np.concatenate([plain_decode(SPEECH)] * 2))


def test_control_datagrams_are_told_apart():
    ears = Ears()
    ears.feed(ip_discovery.build_pong(5))
    ears.feed(ip_discovery.build_reply(999, "203.0.113.9", 40_000))
    ears.feed(ip_discovery.build_reply(998, "203.0.113.9", 40_000))
    ears.feed(bytes.fromhex("80c80006") + bytes(40))
    ears.feed(bytes(8))
    totals = ears.pipeline.totals
    assert ears.heard.facts == [("pong", 5), ("discovery_replied", "203.0.113.9", 40_000)]
    assert (totals.discovery_refused, totals.rtcp, totals.unrecognized) == (1, 1, 1)


def test_our_own_ssrc_and_other_payload_types_are_dropped(room):
    ears = Ears(room)
    ears.feed(Talker(999, room.members[ALICE]).packet(SPEECH[0]))
    datagram = bytearray(alice(room).packet(SPEECH[0]))
    datagram[1] = 103
    ears.feed(bytes(datagram))
    assert (ears.pipeline.totals.own_ssrc, ears.pipeline.totals.not_audio) == (1, 1)
    assert ears.pipeline.reports() == []


def test_forged_packets_of_a_known_ssrc_are_entered_and_change_nothing(room):
    ears = Ears(room)
    ears.arm(ALICE)
    forger = Talker(7, room.members[BOB], key=bytes(32))
    talker = alice(room)
    for frame in SPEECH:
        ears.feed(talker.packet(frame))
        forger.sequence, forger.timestamp = talker.sequence, talker.timestamp
        ears.feed(forger.packet(frame))
        ears.now += 0.02
    assert np.array_equal(ears.heard.pcm(ALICE), plain_decode(SPEECH))
    assert ears.fates(7) == {"decoded": len(SPEECH), "aead_failed": len(SPEECH)}


def test_datagrams_that_do_not_authenticate_are_logged_ever_more_rarely(room, caplog):
    caplog.set_level("INFO", "clankvox.receive")
    ears = Ears(room)
    forger = Talker(7, room.members[BOB], key=bytes(32))
    for _ in range(70):
        ears.feed(forger.packet(SPEECH[0]))
    assert [record.fields["count"] for record in caplog.records] == [1, 2, 4, 8, 16, 32, 64]
    assert {(record.message, record.fields["kind"]) for record in caplog.records} == {
        ("transport decrypt failed", "audio")
    }


def test_a_flood_of_ssrcs_is_bounded(room):
    ears = Ears(room)
    ears.arm(ALICE)
    talker = alice(room)
    for n in range(600):
        ears.feed(Talker(10_000 + n).packet(SPEECH[0]))
        if n % 20 == 0:
            ears.feed(talker.packet(SPEECH[n // 20]))
            ears.now += 0.02
    assert len(ears.pipeline.reports()) == 512
    assert np.array_equal(ears.heard.pcm(ALICE), plain_decode(SPEECH))
    ears.check()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(st.binary(max_size=120), st.tuples(st.integers(0, 29), st.binary(max_size=40))), max_size=40))
def test_random_and_damaged_datagrams_change_nothing_but_counters(room, noise):
    ears = Ears(room)
    ears.arm(ALICE)
    datagrams = alice(room).packets(SPEECH)
    stray = iter(noise)
    for datagram in datagrams:
        junk = next(stray, b"")
        if isinstance(junk, tuple):
            cut, tail = junk
            ears.feed(datagrams[cut][: len(datagrams[cut]) // 2] + tail)
        else:
            ears.feed(junk)
        ears.feed(datagram)
        ears.now += 0.02
    assert np.array_equal(ears.heard.pcm(ALICE), plain_decode(SPEECH))
    ears.check()


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_whatever_the_network_does_each_packet_has_one_fate_and_the_time_is_right(room, data):
    """Lost, doubled and delayed up to 55 ms: the captured time is the media time."""
    frames = LONGER[:50]
    datagrams = alice(room).packets(frames)
    arrivals = []
    for n, datagram in enumerate(datagrams):
        inner = 0 < n < len(datagrams) - 1
        if inner and data.draw(st.integers(0, 9)) == 0:
            continue
        delays = data.draw(st.lists(st.integers(0, 55), min_size=1, max_size=2)) if inner else [0]
        arrivals += [(n * 0.02 + delay / 1000, n, datagram) for delay in delays]
    ears = Ears(room)
    ears.arm(ALICE, silence_ms=3_000)
    start = ears.now
    for offset, _, datagram in sorted(arrivals):
        ears.wait(start + offset - ears.now) if start + offset > ears.now else None
        ears.feed(datagram)
    ears.wait(4)
    assert len(ears.heard.pcm(ALICE)) == 480 * len(frames)
    ledger = ears.check()[7].ledger
    copies = len(arrivals) - len({n for _, n, _ in arrivals})
    assert ledger.expected == len(frames) + copies
    assert ledger.fates["duplicate"] == copies
    assert ledger.fates["late"] == 0 or ledger.late_after_missing == ledger.fates["late"]


def test_the_socket_was_read_out_when_nothing_came_between_two_looks_behind_that_moment(room):
    ears = Ears(room)
    datagrams = alice(room).packets(SPEECH[:2])
    ears.pipeline.poll(100.0)
    ears.pipeline.poll(100.2)
    assert not ears.pipeline.was_read_out(100.1), "what came at 100.1 may have found the reader past his last look"
    ears.feed(datagrams[0], 100.3)
    assert not ears.pipeline.was_read_out(100.1)
    ears.pipeline.poll(100.4)
    assert ears.pipeline.was_read_out(100.1)
    assert not ears.pipeline.was_read_out(100.35)
