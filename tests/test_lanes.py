import threading

from hypothesis import given, settings
from hypothesis import strategies as st

from clankvox.lanes import Lane, Slot


def test_the_owner_is_woken_once_until_it_drains():
    wakes = []
    lane = Lane(4, lambda: wakes.append(1))
    lane.put("a")
    lane.put("b")
    assert (len(wakes), lane.drain(), lane.drain()) == (1, ["a", "b"], [])
    lane.put("c")
    assert len(wakes) == 2


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 5), st.integers(0, 20))
def test_the_oldest_go_first_when_it_is_full_and_are_counted(capacity, count):
    lane = Lane(capacity, lambda: None)
    for number in range(count):
        lane.put(number)
    assert len(lane) == min(capacity, count)
    assert lane.drain() == list(range(count))[-capacity:]
    assert lane.dropped == max(0, count - capacity)


def test_nothing_is_lost_or_doubled_between_threads():
    woken = threading.Event()
    lane = Lane(1_000_000, woken.set)
    writers = [
        threading.Thread(target=lambda base=base: [lane.put(base + n) for n in range(2_000)]) for base in (0, 10_000)
    ]
    got = []
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        got += lane.drain()
    for writer in writers:
        writer.join()
    got += lane.drain()
    assert sorted(got) == [*range(2_000), *range(10_000, 12_000)]
    assert woken.is_set()


def test_a_slot_holds_the_latest():
    slot = Slot(1)
    assert slot.read() == 1
    slot.publish(2)
    assert slot.read() == 2
