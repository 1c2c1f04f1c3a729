import pytest

from clankvox.ids import Ssrc
from clankvox.ledger import Fate, StreamLedger
from clankvox.media.hearing import hearing_of


def ledger(*fates):
    entries = StreamLedger(Ssrc(1))
    for fate in fates:
        entries.settle(fate)
    return entries


@pytest.mark.parametrize("fate", [Fate.DECODED, Fate.UNCAPTURED, Fate.UNSPOKEN, Fate.BOUNDARY_DROPPED])
def test_what_was_opened_is_heard_whatever_became_of_it(fate):
    assert hearing_of(ledger(fate, fate)) == (2, 0)


@pytest.mark.parametrize("fate", [Fate.NO_KEY, Fate.NO_GROUP, Fate.UNKNOWN_SSRC])
def test_ciphertext_that_no_key_opened_is_not_heard(fate):
    assert hearing_of(ledger(fate)) == (0, 1)


@pytest.mark.parametrize("fate", [Fate.QUIET, Fate.LATE, Fate.DUPLICATE, Fate.UNENCRYPTED, Fate.DISCARDED])
def test_what_proves_nothing_counts_as_neither(fate):
    assert hearing_of(ledger(fate)) == (0, 0)
