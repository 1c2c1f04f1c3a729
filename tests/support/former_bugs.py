"""Bugs that drawn orders have found, put back as they were: each order that is kept for one is red with it."""

from clankvox.actors.desired_call import ConnectionWish
from clankvox.actors.desired_media import MusicWish
from clankvox.actors.publish import PublishActor
from clankvox.actors.router import RouterActor
from clankvox.actors.transmission import Transmission
from clankvox.actors.wish import INTERNAL_ERROR
from clankvox.fsm.connection import ConnectionState
from clankvox.messages.connection import Join


def a_command_never_settles_whose_actor_failed_too_often(patch):
    def close_role(self, failure, late):
        self._under_way = None
        original(self, failure, late)

    original = RouterActor._close_role
    patch.setattr(RouterActor, "_close_role", close_role)


def a_call_that_was_asked_for_hides_the_one_that_is(patch):
    """The end that was told was that of the next call, and of this one nobody heard."""

    def ordered(self, message):
        original(self, message)
        if isinstance(message, Join):
            self._told, self._connection_id = ConnectionState.AWAITING_CREDENTIALS, message.connection_id

    original = ConnectionWish.ordered
    patch.setattr(ConnectionWish, "ordered", ordered)


def a_baton_dies_with_its_bearer(patch):
    def bury(self, failure, late):
        for report in self._desired.last_words(failure):
            self._on_report(report)

    patch.setattr(RouterActor, "_bury", bury)


def an_heir_of_music_forgets_the_order_that_killed(patch):
    """A stop was lost, and every command behind it waited for two seconds."""

    def revival(self, failure):
        self._under_way = None
        return original(self, failure)

    original = MusicWish.revival
    patch.setattr(MusicWish, "revival", revival)


def a_packet_that_left_as_its_actor_failed_has_no_fate(patch):
    def close(self):
        while self._armed and self._armed[0].outcome is not None:
            self._armed.popleft()
        original(self)

    original = Transmission.close
    patch.setattr(Transmission, "close", close)


def a_source_that_waits_ends_with_its_role(patch):
    def on_reset(self, baton):
        if baton.reason == INTERNAL_ERROR:
            self._on_path_closed(final=True)
        self._transmission.close()
        self.report(baton)

    patch.setattr(PublishActor, "_on_reset", on_reset)
