from clankvox.media.failure_run import FailureRun


def told(run, arrivals):
    return [run.failures for arrival in arrivals if run.note(arrival)]


def test_every_36th_in_a_row_is_told():
    run = FailureRun()
    assert told(run, [n * 0.02 for n in range(100)]) == [36, 72]


def test_one_that_opens_begins_the_row_anew():
    run = FailureRun()
    assert told(run, [n * 0.02 for n in range(35)]) == []
    run.end()
    assert told(run, [1 + n * 0.02 for n in range(35)]) == []


def test_however_many_come_at_once_nothing_is_told_before_half_a_second():
    run = FailureRun()
    assert told(run, [1.0] * 200) == []
    assert told(run, [1.4, 1.51, 1.52]) == [202]
