import json

from clankvox.actors.inspection import MOST_AT_ONCE, Inspections
from clankvox.actors.supervision import Supervision
from clankvox.ids import MUSIC, PLAYBACK, ROUTER, Role, UserId, capture_address, dave_address, video_address
from clankvox.ipc.events import encode_event
from clankvox.messages.common import Inspected, Timer
from tests.support.factory import _no_stats

USER = capture_address(UserId(2**63), Role.STREAM_WATCH)
VIDEO = video_address(Role.VOICE)


def said(ticket, address, **description):
    timers = (Timer("KeepaliveDue", 5),)
    return Inspected(ticket=ticket, address=address, description=description, mailbox=1, deepest=2, timers=timers)


class Desk:
    def __init__(self):
        self.supervision = Supervision()
        self.answers = []
        self.inspections = Inspections(self.supervision, lambda: {"audioLane": 3}, _no_stats)

    def begin(self, *addresses):
        return self.inspections.begin(addresses, lambda event: self.answers.append(json.loads(encode_event(event))))


def test_the_answer_comes_with_the_last_description():
    desk = Desk()
    ticket = desk.begin(PLAYBACK, MUSIC)
    desk.inspections.take(said(ticket, PLAYBACK, state="idle", buffered_samples=7))
    assert desk.answers == []
    desk.inspections.take(said(ticket, MUSIC, state="idle"))
    (answer,) = desk.answers
    assert [actor["kind"] for actor in answer["actors"]] == ["playback", "music"]
    assert answer["actors"][0]["details"] == {"bufferedSamples": 7}
    assert answer["actors"][0]["timers"] == [{"name": "KeepaliveDue", "dueMs": 5}]
    assert (answer["actors"][0]["state"], answer["queues"]) == ("idle", {"audioLane": 3})


def test_actors_stand_in_one_order_whoever_answers_first():
    desk = Desk()
    wanted = [ROUTER, PLAYBACK, MUSIC, dave_address(Role.STREAM_WATCH), capture_address(UserId(7), Role.STREAM_WATCH)]
    ticket = desk.begin(*wanted, USER, capture_address(UserId(2), Role.STREAM_WATCH), VIDEO)
    for address in (USER, *reversed(wanted)):
        desk.inspections.take(said(ticket, address))
    desk.inspections.overdue(ticket)
    (answer,) = desk.answers
    assert [(actor["role"], actor["kind"], actor.get("userId")) for actor in answer["actors"]] == [
        ("voice", "router", None),
        ("voice", "playback", None),
        ("voice", "music", None),
        ("stream_watch", "dave", None),
        ("stream_watch", "capture", "7"),
        ("stream_watch", "capture", str(2**63)),
    ]
    assert answer["silent"] == ["voice video", "stream_watch capture 2"]


def test_whoever_is_overdue_is_named_and_comes_too_late():
    desk = Desk()
    ticket = desk.begin(PLAYBACK, USER)
    desk.inspections.take(said(ticket, PLAYBACK))
    desk.inspections.overdue(ticket)
    desk.inspections.take(said(ticket, USER))
    desk.inspections.overdue(ticket)
    (answer,) = desk.answers
    assert answer["silent"] == [f"stream_watch capture {2**63}"]


def test_nobody_answers_twice_or_for_another_look():
    desk = Desk()
    ticket = desk.begin(PLAYBACK, MUSIC)
    for _ in range(2):
        desk.inspections.take(said(ticket, PLAYBACK))
    desk.inspections.take(said(ticket + 1, MUSIC))
    desk.inspections.take(said(ticket, USER))
    assert desk.answers == []


def test_snowflakes_keep_all_their_digits():
    desk = Desk()
    desk.inspections.take(said(desk.begin(USER), USER, members=[2**63]))
    (answer,) = desk.answers
    assert (answer["actors"][0]["userId"], answer["actors"][0]["details"]["members"]) == (str(2**63), [str(2**63)])


def test_what_has_no_value_is_left_out():
    desk = Desk()
    desk.inspections.take(said(desk.begin(USER), USER, epoch=None, gate="closed"))
    (answer,) = desk.answers
    assert answer["actors"][0]["details"] == {"gate": "closed"}


def test_failures_are_told_by_place_and_restarts_are_those_of_the_counters():
    desk = Desk()
    desk.supervision.admit(dave_address(Role.VOICE), "MlsError", 0.0)
    desk.inspections.take(said(desk.begin(dave_address(Role.VOICE)), dave_address(Role.VOICE)))
    (answer,) = desk.answers
    assert answer["actors"][0]["failures"] == {"MlsError": 1}
    assert answer["restarts"] == answer["counters"]["restarts"]


def test_looks_that_wait_are_bounded():
    desk = Desk()
    for _ in range(MOST_AT_ONCE + 5):
        desk.begin(PLAYBACK)
    assert len(desk.answers) == 5
