import queue

from clankvox.clock import SystemClock
from clankvox.errors import CodecError
from clankvox.loopback.picture_encoder import EncodedPicture
from clankvox.loopback.picture_feed import PictureFeed

WAIT_S = 10.0


class Numbers:
    def __init__(self, fails_at=None):
        self.fails_at = fails_at

    def next(self, stamp, *, key):
        if stamp.counter == self.fails_at:
            raise CodecError("no more")
        return EncodedPicture(bytes((stamp.counter,)), key)


def feed(film):
    found = queue.SimpleQueue()
    made = PictureFeed(film, 100.0, SystemClock(), found.put)
    return made, found


def test_it_begins_with_a_key_frame_when_it_is_let_and_goes_on():
    made, found = feed(Numbers())
    assert found.empty()
    made.resume()
    shown = [found.get(timeout=WAIT_S) for _ in range(5)]
    made.end()
    made._thread.join(WAIT_S)
    assert [due.picture.data[0] for due in shown] == [0, 1, 2, 3, 4]
    assert [due.picture.key for due in shown] == [True, False, False, False, False]
    assert [due.at_s for due in shown] == sorted(due.at_s for due in shown)


def test_a_key_frame_that_is_asked_for_comes_and_a_pause_ends_with_one():
    made, found = feed(Numbers())
    made.resume()
    found.get(timeout=WAIT_S)
    made.force_key()
    while not found.get(timeout=WAIT_S).picture.key:
        pass
    made.pause()
    made.resume()
    while not found.get(timeout=WAIT_S).picture.key:
        pass
    made.end()
    made._thread.join(WAIT_S)
    assert not made._thread.is_alive()


def test_a_failure_ends_it_and_is_told():
    made, found = feed(Numbers(fails_at=2))
    made.resume()
    made._thread.join(WAIT_S)
    assert isinstance(made.failure, CodecError)
    assert found.qsize() == 2


def test_it_ends_before_it_ever_began():
    made, _ = feed(Numbers())
    made.end()
    made._thread.join(WAIT_S)
    assert not made._thread.is_alive()


def test_another_film_goes_on_with_a_key_frame_and_the_next_number():
    made, found = feed(Numbers())
    made.resume()
    before = found.get(timeout=WAIT_S).picture.data[0]
    made.change(Numbers())
    while not (due := found.get(timeout=WAIT_S)).picture.key:
        before = due.picture.data[0]
    assert due.picture.data[0] == before + 1
    made.end()
    made._thread.join(WAIT_S)
