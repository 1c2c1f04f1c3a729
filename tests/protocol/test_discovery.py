from clankvox.protocol.discovery import DiscoverySchedule, DiscoveryStep


def _run(schedule):
    steps = []
    while (due := schedule.next_poll()) is not None:
        steps.append((due, schedule.poll(due)))
    return steps


def test_the_request_goes_out_at_once_and_every_second_and_fails_after_the_fifth():
    assert _run(DiscoverySchedule(100.0)) == [
        (100.0, DiscoveryStep.SEND),
        (101.0, DiscoveryStep.SEND),
        (102.0, DiscoveryStep.SEND),
        (103.0, DiscoveryStep.SEND),
        (104.0, DiscoveryStep.SEND),
        (105.0, DiscoveryStep.FAIL),
    ]


def test_an_early_poll_sends_nothing():
    schedule = DiscoverySchedule(0.0)
    schedule.poll(0.0)
    assert schedule.poll(0.99) is DiscoveryStep.WAIT
    assert schedule.next_poll() == 1.0


def test_a_late_poll_sends_once_and_counts_from_there():
    schedule = DiscoverySchedule(0.0)
    assert schedule.poll(7.0) is DiscoveryStep.SEND
    assert schedule.poll(7.0) is DiscoveryStep.WAIT
    assert schedule.next_poll() == 8.0


def test_an_answer_ends_the_run():
    schedule = DiscoverySchedule(0.0)
    schedule.poll(0.0)
    schedule.answered()
    assert schedule.next_poll() is None
    assert schedule.poll(99.0) is DiscoveryStep.WAIT


def test_failure_is_told_once():
    schedule = DiscoverySchedule(0.0)
    _run(schedule)
    assert schedule.poll(1000.0) is DiscoveryStep.WAIT
