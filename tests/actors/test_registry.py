import pykka

from clankvox.actors.registry import Registry
from clankvox.ids import MUSIC, PLAYBACK, Role, UserId, capture_address
from clankvox.messages.common import Inspect, InspectionAsked

USER = capture_address(UserId(42))


class Box:
    """A mailbox that remembers, or is dead."""

    def __init__(self, life):
        self.life = life
        self.mail = []
        self.is_dead = self.is_stopped = False

    def tell(self, message):
        if self.is_dead:
            raise pykka.ActorDeadError("gone")
        self.mail.append(message)

    def stop(self, *, block):
        self.is_stopped = not block


def registry():
    boxes = {}

    def spawn(address, _tell, life):
        return boxes.setdefault((address, life), Box(life))

    return Registry(spawn, lambda message: None), boxes


def test_somebody_comes_to_life_with_the_first_mail():
    post, boxes = registry()
    assert PLAYBACK not in post
    post.deliver(PLAYBACK, Inspect())
    assert (PLAYBACK in post, boxes[PLAYBACK, 0].mail, post.addresses) == (True, [Inspect()], (PLAYBACK,))


def test_a_whisper_brings_nobody_to_life_and_is_not_counted():
    post, boxes = registry()
    assert not post.whisper(USER, Inspect())
    post.deliver(USER, Inspect())
    assert post.whisper(USER, Inspect())
    assert post.retire(USER, 1)
    assert boxes[USER, 0].is_stopped


def test_an_actor_with_mail_on_its_way_is_not_retired():
    post, _ = registry()
    post.deliver(USER, Inspect())
    post.deliver(USER, Inspect())
    assert not post.retire(USER, 1)
    assert post.retire(USER, 2)
    assert not post.retire(USER, 2)


def test_mail_for_the_dead_waits_for_their_heir():
    post, boxes = registry()
    post.spawn(MUSIC)
    boxes[MUSIC, 0].is_dead = True
    post.deliver(MUSIC, InspectionAsked(ticket=1))
    assert not post.whisper(MUSIC, InspectionAsked(ticket=2))
    assert post.bury(MUSIC) == (InspectionAsked(ticket=1),)
    assert (MUSIC in post, post.bury(MUSIC)) == (False, ())


def test_an_heir_knows_how_many_lived_before_it():
    post, boxes = registry()
    for _ in range(3):
        post.spawn(MUSIC)
        post.bury(MUSIC)
    assert [life for address, life in boxes if address == MUSIC] == [0, 1, 2]


def test_captures_are_found_by_role():
    post, _ = registry()
    post.spawn(USER)
    post.spawn(capture_address(UserId(42), Role.STREAM_WATCH))
    post.spawn(PLAYBACK)
    assert post.captures(Role.VOICE) == [USER]
