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
