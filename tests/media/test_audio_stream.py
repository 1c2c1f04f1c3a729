import numpy as np
import pytest

from clankvox.media.reorder import Frame
from tests.support.dave_room import DaveRoom
from tests.support.hearing import ALICE, BOB, ME, Ears, Talker, opus_packets, plain_decode, room_of

SPEECH = opus_packets(3.0, seed=9)


def alice_with_a_new_key():
    """Ears that heard ten frames of Alice, the room whose key she uses from now on, and she herself with it."""
    before, after = room_of(ME, ALICE), room_of(ME, ALICE)
    ears = Ears(before)
    ears.arm(ALICE)
    old = Talker(7, before.members[ALICE])
    ears.hear(old.packets(SPEECH[:10]))
    return ears, after, Talker(7, after.members[ALICE], sequence=old.sequence, timestamp=old.timestamp)


def test_a_copy_of_a_packet_that_is_held_is_a_duplicate():
    ears = Ears()
    packet = Talker(7, room_of(ME, ALICE).members[ALICE]).packet(SPEECH[0])
    ears.hear([packet, packet])
    assert ears.fates(7) == {"duplicate": 1}
    assert ears.check()[7].pending == 1


def test_a_whole_second_out_of_order_is_late_and_changes_nothing_else():
    room = room_of(ME, ALICE)
    ears = Ears(room)
    ears.arm(ALICE, silence_ms=3_000)
    datagrams = Talker(7, room.members[ALICE]).packets(SPEECH)
    early, late = datagrams[20:70], datagrams[70:120]
    ears.hear([*datagrams[:20], *late, *early, *datagrams[120:]])
    ears.wait(1)
    ledger = ears.check()[7].ledger
    assert ledger.fates["late"] == 50
    assert ledger.late_after_missing == 50
    assert ledger.restarts == 0
    assert ledger.expected == len(SPEECH)
    assert len(ears.heard.pcm(ALICE)) == 480 * len(SPEECH)


def test_a_single_swap_at_the_very_start_is_one_late_packet():
    room = room_of(ME, ALICE)
    ears = Ears(room)
    datagrams = Talker(7, room.members[ALICE]).packets(SPEECH[:10])
    datagrams[0], datagrams[1] = datagrams[1], datagrams[0]
    ears.hear(datagrams)
    assert ears.fates(7) == {"late": 1}
    assert ears.check()[7].pending == 9


def test_clear_repeats_without_end_are_a_sender_who_started_again():
    ears = Ears(clear=True)
    ears.pipeline.hint(7, ALICE)
    ears.arm(ALICE, silence_ms=9_000)
    ears.hear(Talker(7).packets(SPEECH))
    ears.hear(Talker(7).packets(SPEECH))
    ledger = ears.check()[7].ledger
    assert ledger.restarts == 1
    assert ledger.fates["duplicate"] == 99
    assert ledger.fates["decoded"] == 2 * len(SPEECH) - 99


def test_a_hint_gives_held_packets_to_their_user_and_a_new_one_to_the_next():
    ears = Ears(clear=True)
    ears.arm(ALICE)
    ears.arm(BOB)
    talker = Talker(7)
    ears.hear(talker.packets(SPEECH[:5]))
    ears.pipeline.hint(7, ALICE)
    ears.hear(talker.packets(SPEECH[5:10]))
    ears.pipeline.hint(7, BOB)
    ears.hear(talker.packets(SPEECH[10:15]))
    assert len(ears.heard.pcm(ALICE)) == 4_800
    assert len(ears.heard.pcm(BOB)) == 2_400
    assert ears.check()[7].ledger.rebinds == 1


def test_an_undecryptable_packet_is_neither_waited_for_nor_missing():
    room = room_of(ME, ALICE)
    ears = Ears(room)
    ears.arm(ALICE)
    talker = Talker(7, room.members[ALICE])
    stranger = Talker(7, room_of(50, 51).members[50])
    for n, frame in enumerate(SPEECH[:30]):
        if n == 10:
            stranger.sequence, stranger.timestamp = talker.sequence, talker.timestamp
            ears.feed(stranger.packet(frame))
            talker.sequence, talker.timestamp = talker.sequence + 1, talker.timestamp + 960
        else:
            ears.feed(talker.packet(frame))
            assert ears.check()[7].pending == (n > 10)
        ears.now += 0.02
    assert len(ears.heard.pcm(ALICE)) == 480 * 30
    ears.wait(3)
    ledger = ears.check()[7].ledger
    assert (ledger.missing, ledger.fates["no_key"]) == (0, 1)


def test_silence_behind_a_word_whose_key_is_on_its_way_does_not_make_the_word_late():
    ears = Ears()
    ears.arm(ALICE)
    ears.pipeline.hint(7, ALICE)
    room = room_of(ME, ALICE)
    talker = Talker(7, room.members[ALICE])
    ears.hear([*talker.packets(SPEECH[:16]), *talker.silence()])
    assert ears.check()[7].pending == 21
    ears.pipeline.hint(7, ALICE)  # what is known anew is tried anew, and is not the key
    ears.wait(0.1)
    assert ears.check()[7].pending == 21
    ears.join(room)
    ears.wait(1)
    assert ears.fates(7) == {"decoded": 21}
    assert len(ears.heard.pcm(ALICE)) == 480 * 21


def test_silence_behind_the_first_frames_of_a_new_key_does_not_make_them_late():
    ears, after, new = alice_with_a_new_key()
    ears.hear([*new.packets(SPEECH[10:15]), *new.silence()])
    ears.join(after)
    ears.wait(1)
    assert ears.fates(7) == {"decoded": 20}


def test_silence_waits_for_no_frame_that_the_next_ones_have_passed():
    room = room_of(ME, ALICE)
    ears = Ears(room)
    ears.arm(ALICE)
    talker = Talker(7, room.members[ALICE])
    ears.hear(talker.packets(SPEECH[:10]))
    stranger = Talker(7, room_of(50, 51).members[50], sequence=talker.sequence, timestamp=talker.timestamp)
    ears.feed(stranger.packet(SPEECH[10]))
    talker.sequence, talker.timestamp = stranger.sequence, stranger.timestamp
    ears.hear([*talker.packets(SPEECH[11:13]), *talker.silence()])
    assert ears.check()[7].pending == 1


def test_silence_behind_a_key_that_never_comes_is_quiet_and_no_failure():
    ears = Ears()
    ears.arm(ALICE)
    ears.pipeline.hint(7, ALICE)
    talker = Talker(7, room_of(ME, ALICE).members[ALICE])
    ears.hear([*talker.packets(SPEECH[:4]), *talker.silence()])
    ears.wait(3)
    assert ears.fates(7) == {"no_group": 4, "quiet": 5}
    assert ears.pipeline.totals.dave_decrypt_fail == 4


def test_failures_count_in_a_row_only():
    room = room_of(ME, ALICE)
    ears = Ears(room)
    talker, stranger = Talker(7, room.members[ALICE]), Talker(7, room_of(50, 51).members[50], sequence=9)
    ears.pipeline.hint(7, ALICE)
    for _ in range(3):
        ears.hear(stranger.packets(SPEECH[:30]))
        ears.hear(talker.packets(SPEECH[:1]))
    assert ears.heard.of("undecryptable") == []


def test_a_new_user_inherits_neither_order_nor_codec_state():
    room = room_of(ME, ALICE, BOB)
    ears = Ears(room)
    ears.arm(ALICE)
    ears.arm(BOB)
    first = Talker(7, room.members[ALICE])
    datagrams = first.packets(SPEECH[:12])
    ears.hear([*datagrams[:10], datagrams[11]])  # the last one waits behind a gap
    second = Talker(7, room.members[BOB], sequence=first.sequence, timestamp=first.timestamp)
    ears.hear(second.packets(SPEECH[12:20]), interval_s=0.0)
    ears.wait(0.25)  # until trying all members is allowed again
    assert len(ears.heard.pcm(ALICE)) == 480 * 12
    assert np.array_equal(ears.heard.pcm(BOB), plain_decode(SPEECH[12:20]))


def test_injected_silence_with_wild_numbers_does_not_move_the_order():
    room = room_of(ME, ALICE)
    ears = Ears(room)
    ears.arm(ALICE)
    talker = Talker(7, room.members[ALICE])
    for n, frame in enumerate(SPEECH[:30]):
        ears.feed(talker.packet(frame))
        ears.feed(Talker(7, sequence=(n + 1) * 7_919, timestamp=(n + 1) * 0x1357_9BDF).silence(1)[0])
        ears.now += 0.02
    assert np.array_equal(ears.heard.pcm(ALICE), plain_decode(SPEECH[:30]))
    assert ears.check()[7].ledger.restarts == 0


def test_injected_silence_on_an_old_ssrc_does_not_take_the_user_back():
    room = room_of(ME, ALICE)
    ears = Ears(room)
    ears.arm(ALICE)
    old, new = Talker(7, room.members[ALICE]), Talker(8, room.members[ALICE])
    ears.hear(old.packets(SPEECH[:5]))
    for n, frame in enumerate(SPEECH[5:35]):
        ears.feed(new.packet(frame))
        if n % 10 == 9:
            ears.hear(old.silence(1), interval_s=0.0)
        ears.now += 0.02
    assert ears.fates(8) == {"decoded": 30}


def test_copies_in_clear_here_and_there_are_no_restart():
    ears = Ears(clear=True)
    ears.pipeline.hint(7, ALICE)
    ears.arm(ALICE)
    for datagram in Talker(7).packets(SPEECH):
        ears.hear([datagram, datagram], interval_s=0.01)
    assert ears.check()[7].ledger.restarts == 0
    assert np.array_equal(ears.heard.pcm(ALICE), plain_decode(SPEECH))


@pytest.mark.parametrize("library", ["davey", "libdave"])
def test_a_key_that_comes_between_two_packets_opens_the_one_that_waits_first(library):
    """A receiver refuses what was sent before the first frame that it opens with a key."""
    room = DaveRoom()
    room.join(ME)
    room.join(ALICE, library)
    room.run()
    ears = Ears()
    ears.arm(ALICE)
    ears.pipeline.hint(7, ALICE)
    talker = Talker(7, room.members[ALICE])
    ears.hear(talker.packets(SPEECH[:3]))
    assert ears.check()[7].pending == 3
    stream = ears.pipeline._streams.get(7)
    ears.join(room)  # by the DAVE actor's thread, amid the packet that the UDP thread has begun to look at
    stream.ledger.arrived += 1
    sealed = room.members[ALICE].encrypt_opus(SPEECH[3])
    stream.receive(Frame(sealed, talker.sequence & 0xFFFF, talker.timestamp & 0xFFFF_FFFF, ears.now), ears.now)
    ears.wait(1)
    assert ears.fates(7) == {"decoded": 4}


def test_of_packets_that_all_members_are_tried_for_the_first_is_tried_first():
    room = room_of(ME, ALICE, BOB)
    ears = Ears(room)
    ears.arm(ALICE)
    ears.feed(Talker(8, room.members[BOB]).packet(SPEECH[0]))  # nobody else may be looked for in the next 50 ms
    alice = Talker(7, room.members[ALICE])
    ears.feed(alice.packet(SPEECH[0]))
    assert ears.check()[7].pending == 1
    ears.feed(alice.packet(SPEECH[1]), ears.now + 0.02)
    ears.feed(alice.packet(SPEECH[2]), ears.now + 0.04)
    ears.wait(1)
    assert ears.fates(7) == {"decoded": 3}


def test_a_sender_is_found_behind_many_packets_that_never_open():
    before, room = room_of(50, 51), room_of(ME, ALICE)
    ears = Ears(room)
    ears.arm(ALICE)
    old = Talker(7, before.members[50])
    ears.hear(old.packets(SPEECH[:40]))
    new = Talker(7, room.members[ALICE], sequence=old.sequence, timestamp=old.timestamp)
    ears.hear(new.packets(SPEECH[40:80]))
    ears.wait(3)
    assert ears.fates(7) == {"unknown_ssrc": 40, "decoded": 40}


def test_what_was_tried_for_all_members_is_not_tried_again_before_something_changes():
    ears = Ears(room_of(ME, ALICE))
    ears.hear(Talker(7, room_of(50, 51).members[50]).packets(SPEECH[:3]))
    ears.wait(0.5)
    tried = ears.engine.tried
    ears.wait(1)
    assert (ears.check()[7].pending, ears.engine.tried) == (3, tried)


def test_what_piled_up_while_we_got_no_time_is_heard_behind_a_new_arming():
    room = room_of(ME, ALICE)
    ears = Ears(room)
    ears.arm(ALICE, arming=1)
    datagrams = Talker(7, room.members[ALICE]).packets(SPEECH)
    ears.hear(datagrams[:10])
    ears.now += 2.24
    ears.hear(datagrams[10:], interval_s=0.0001)
    ears.arm(ALICE, arming=2)
    ears.wait(1)
    assert ears.fates(7) == {"decoded": len(SPEECH)}


def test_what_piled_up_while_we_got_no_time_is_heard_with_a_key_that_comes_behind_it():
    ears, after, new = alice_with_a_new_key()
    ears.now += 2.24
    ears.hear(new.packets(SPEECH[10:]), interval_s=0.0001)
    assert ears.heard.of("undecryptable") == [], "what came at once says nothing about the key"
    ears.join(after)
    ears.arm(ALICE, arming=2)
    ears.wait(1)
    assert ears.fates(7) == {"decoded": len(SPEECH)}


def test_a_key_that_goes_before_the_next_packet_opens_what_waited_for_it():
    ears, after, new = alice_with_a_new_key()
    last = room_of(ME, BOB)
    ears.hear(new.packets(SPEECH[10:15]))
    ears.join(after)
    ears.cipher.mls(lambda _: ears.join(last))
    assert ears.check()[7].pending == 5
    ears.pipeline.forget_user(ALICE)
    assert ears.fates(7) == {"decoded": 15}


def test_what_was_opened_and_not_played_is_discarded_with_the_connection():
    room = room_of(ME, ALICE)
    ears = Ears()
    ears.pipeline.hint(7, ALICE)
    ears.hear(Talker(7, room.members[ALICE]).packets(SPEECH[:5]))
    ears.join(room)
    ears.cipher.mls(lambda engine: engine.ready)
    ears.pipeline.detach()
    assert ears.pipeline.ended_streams().fates["discarded"] == 5


def test_what_waits_is_not_given_up_the_moment_that_we_get_time_again():
    ears, after, new = alice_with_a_new_key()
    ears.hear(new.packets(SPEECH[10:20]))
    ears.now += 2.2
    ears.hear(new.packets(SPEECH[20:30]), interval_s=0.0001)
    ears.wait(0.1)
    ears.join(after)
    for arming in (2, 3):
        ears.arm(ALICE, arming)
        ears.wait(0.1)
    assert ears.fates(7) == {"decoded": 30}


def test_speech_that_waits_for_its_capture_is_not_given_up_the_moment_that_we_get_time_again():
    room = room_of(ME, ALICE)
    ears = Ears(room)
    datagrams = Talker(7, room.members[ALICE]).packets(SPEECH)
    ears.hear(datagrams[:50])
    ears.now += 1.5
    ears.hear(datagrams[50:], interval_s=0.0001)
    ears.wait(0.1)
    for arming in (1, 2):
        ears.arm(ALICE, arming)
        ears.wait(0.1)
    assert ears.fates(7) == {"decoded": len(SPEECH)}


def test_what_never_opens_is_given_up_however_little_time_we_get():
    ears = Ears(room_of(ME, ALICE))
    ears.hear(Talker(7, room_of(50, 51).members[50]).packets(SPEECH[:10]))
    ears.now += 10
    ears.pipeline.poll(ears.now)
    ears.wait(0.6)
    assert ears.fates(7) == {"unknown_ssrc": 10}
