"""IDRs come when they are asked for, and not more often than every 300 ms."""

import math

from clankvox.media.keyframe_policy import LEAST_INTERVAL_S, KeyframePolicy


def test_the_first_picture_is_one_and_then_one_an_interval():
    policy = KeyframePolicy()
    made = []
    for index in range(150):
        instant = index / 30
        if policy.is_due(instant, 2.0):
            policy.made(instant)
            made.append(index)
    assert made == [0, 60, 120]


def test_requests_are_granted_at_the_least_interval_and_none_is_lost():
    policy = KeyframePolicy()
    policy.made(10.0)
    policy.ask()
    assert not policy.is_due(10.1, 60.0)
    assert policy.due_at() == 10.0 + LEAST_INTERVAL_S
    assert policy.is_due(10.0 + LEAST_INTERVAL_S, 60.0)
    policy.made(10.0 + LEAST_INTERVAL_S)
    assert policy.due_at() == math.inf


def test_a_viewer_who_asks_every_millisecond_gets_three_a_second():
    policy, made = KeyframePolicy(), 0
    for millisecond in range(3_000):
        policy.ask()
        if policy.is_due(millisecond / 1_000, 60.0):
            policy.made(millisecond / 1_000)
            made += 1
    assert made == 10
