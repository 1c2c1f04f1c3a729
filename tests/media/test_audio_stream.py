from tests.support.hearing import ALICE, BOB, ME, Ears, Talker, opus_packets, room_of

SPEECH = opus_packets(3.0, seed=9)


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
