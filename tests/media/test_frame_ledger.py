"""The ledger of outgoing frames."""

import pytest

from clankvox.media.frame_ledger import Faults, FrameFate, FrameImbalance, FrameLedger


def test_every_frame_has_one_fate_or_is_pending():
    ledger = FrameLedger()
    ledger.made = 5
    for fate in FrameFate:
        ledger.settle(fate)
    assert ledger.pending == 1
    ledger.check(1)


@pytest.mark.parametrize(("made", "sent"), [(1, 0), (0, 1)])
def test_a_frame_that_was_lost_track_of_or_counted_twice_is_an_error(made, sent):
    ledger = FrameLedger()
    ledger.made = made
    ledger.settle(FrameFate.SENT, sent)
    with pytest.raises(FrameImbalance):
        ledger.check(0)


def test_faults_are_entered_once_however_often_they_are_told_and_an_heirs_begin_anew():
    ledger = FrameLedger()
    known = ledger.enter(Faults(2, 1, 0), Faults())
    known = ledger.enter(Faults(2, 1, 0), known)
    ledger.enter(Faults(3, 1, 4), known)
    ledger.enter(Faults(1, 0, 0), Faults())
    assert (ledger.speech_underruns, ledger.music_underruns, ledger.limited) == (4, 1, 4)
