import threading

import pytest

from clankvox.demo.journal import Journal, NotSeen


def test_what_is_there_already_is_found_at_its_index():
    journal: Journal[int] = Journal()
    for entry in (3, 5, 7, 5):
        journal.append(entry)

    assert journal.wait_for(lambda entry: entry == 5, "five", 1) == (1, 5)
    assert journal.wait_for(lambda entry: entry == 5, "five", 1, since=2) == (3, 5)
    assert journal.entries == [3, 5, 7, 5]


def test_what_comes_later_is_waited_for():
    journal: Journal[int] = Journal()
    waiting = threading.Event()

    def wanted(entry: int) -> bool:
        waiting.set()
        return entry == 2

    journal.append(1)
    found: list[tuple[int, int]] = []
    waiter = threading.Thread(target=lambda: found.append(journal.wait_for(wanted, "two", 10)))
    waiter.start()
    assert waiting.wait(10)
    journal.append(2)
    waiter.join(10)

    assert found == [(1, 2)]


def test_what_never_comes_is_not_seen_and_named():
    with pytest.raises(NotSeen, match=r"a word: not within 0\.01 s"):
        Journal[int]().wait_for(lambda _: True, "a word", 0.01)


def test_nobody_waits_for_a_source_that_has_ended():
    journal: Journal[int] = Journal()
    journal.append(1)
    journal.end()

    with pytest.raises(NotSeen, match="a word: the process ended before"):
        journal.wait_for(lambda entry: entry == 2, "a word", 600)
    assert journal.wait_for(lambda entry: entry == 1, "one", 600) == (0, 1)
