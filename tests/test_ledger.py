import pytest

from clankvox.ids import Ssrc
from clankvox.ledger import MISSING_FATES, Fate, LedgerImbalance, StreamLedger


def filled():
    ledger = StreamLedger(Ssrc(7))
    ledger.arrived = 4
    ledger.settle(Fate.DECODED, 2)
    ledger.settle(Fate.LATE)
    ledger.late_after_missing = 1
    ledger.settle_missing(Fate.CONCEALED, 1)
    return ledger


def test_what_has_no_fate_is_pending():
    ledger = filled()
    assert ledger.balance() == 1
    ledger.check(pending=1)


def test_a_packet_without_a_fate_is_an_imbalance():
    with pytest.raises(LedgerImbalance):
        filled().check(pending=0)


@pytest.mark.parametrize("fate", sorted(MISSING_FATES))
def test_an_arrived_packet_cannot_take_the_fate_of_a_missing_one(fate):
    ledger = filled()
    ledger.settle(fate)
    with pytest.raises(LedgerImbalance):
        ledger.check(pending=0)


def test_a_late_packet_is_expected_once():
    assert filled().expected == 4


def test_absorbing_adds_everything_up():
    total = StreamLedger(Ssrc(0))
    total.absorb(filled())
    total.absorb(filled())
    assert (total.arrived, total.missing, total.expected, total.fates[Fate.DECODED]) == (8, 2, 8, 4)
    total.check(pending=2)
