from clankvox.media.alarm import IDLE_POLL_S, Alarm


def test_the_earliest_request_counts_until_the_next_poll():
    alarm = Alarm()
    alarm.restart(10.0)
    alarm.by(10.5)
    alarm.by(10.2)
    alarm.by(10.9)
    assert alarm.due == 10.2
    alarm.restart(10.2)
    assert alarm.due == 10.2 + IDLE_POLL_S


def test_nothing_is_given_up_before_its_time():
    alarm = Alarm()
    assert alarm.end_of(2.0, 10.0) == 12.0


def test_who_comes_back_late_has_half_a_second_more():
    alarm = Alarm()
    alarm.restart(10.0)
    assert alarm.sleep(10.0) == 11.0
    alarm.wake(11.2)
    assert alarm.end_of(2.0, 9.0) == 11.0
    alarm.wake(13.0)
    assert alarm.end_of(2.0, 9.0) == 13.5
    assert alarm.end_of(2.0, 13.0) == 15.0


def test_who_is_to_come_at_once_is_late_as_from_now():
    alarm = Alarm()
    alarm.sleep(10.0)
    alarm.wake(10.2)
    assert alarm.end_of(2.0, 0.0) == 2.0
    alarm.wake(10.3)
    assert alarm.end_of(2.0, 0.0) == 10.8
