from clankvox.media.capture_board import CaptureBoard, CaptureConfig

CONFIG = CaptureConfig(1, None, 24_000, 700)


def armed(board, user):
    with board.lock:
        return board.armed(user)


def test_what_is_armed_is_seen_until_it_is_withdrawn():
    board = CaptureBoard()
    board.arm(42, CONFIG)
    assert (armed(board, 42), armed(board, 43)) == (CONFIG, None)
    board.withdraw(42)
    assert armed(board, 42) is None


def test_withdrawing_twice_does_no_harm():
    board = CaptureBoard()
    board.withdraw(42)
    assert armed(board, 42) is None


def test_every_change_grows_the_version_and_wakes_outside_the_lock():
    seen = []
    board = CaptureBoard(lambda: seen.append((board.version, board.lock.locked())))
    board.arm(42, CONFIG)
    board.withdraw(42)
    assert seen == [(1, False), (2, False)]


def test_no_arming_has_the_number_of_another():
    board = CaptureBoard()
    assert [board.next_arming() for _ in range(3)] == [1, 2, 3]
