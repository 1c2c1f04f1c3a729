"""Which suite is whose, and how many orders they draw."""

from clankvox.ids import ActorKind, Role
from tests.stateful import (
    test_call,
    test_music_orders,
    test_orders,
    test_packets,
    test_speech_over_music,
    test_system,
)
from tests.support.call_machine import NIGHTLY_FACTOR

SUITES = {
    **test_call.SUITES,
    **test_system.SUITES,
    **test_orders.SUITES,
    **test_packets.SUITES,
    **test_speech_over_music.SUITES,
}
LEAST = 2_000
OWN_SUITES = {
    (ActorKind.ROUTER, Role.VOICE): (test_call.RouterCommands, test_orders.Orders),
    (ActorKind.CONNECTION, Role.VOICE): (test_call.Connection, test_call.Resumed, test_call.Deaf),
    (ActorKind.CONNECTION, Role.STREAM_WATCH): (test_system.OwnStream, test_system.StreamGroups),
    (ActorKind.CONNECTION, Role.STREAM_PUBLISH): (test_system.OwnStream, test_system.StreamGroups),
    (ActorKind.DAVE, Role.VOICE): (test_call.DaveChurn,),
    (ActorKind.DAVE, Role.STREAM_WATCH): (test_system.StreamGroups,),
    (ActorKind.DAVE, Role.STREAM_PUBLISH): (test_system.StreamGroups,),
    (ActorKind.CAPTURE, Role.VOICE): (test_call.Capture, test_packets.Packets),
    (ActorKind.PLAYBACK, Role.VOICE): (test_call.Tts, test_speech_over_music.SpeechOverMusic),
    (ActorKind.MUSIC, Role.VOICE): (test_system.MusicOrders, test_speech_over_music.SpeechOverMusic),
    (ActorKind.VIDEO, Role.VOICE): (test_system.PicturesSeen,),
    (ActorKind.PUBLISH, Role.STREAM_PUBLISH): (test_system.OwnStream,),
}
"""Each actor with the suites that are about it; all others have it beside them."""


def test_every_kind_of_actor_has_a_suite_of_its_own():
    assert {kind for kind, _ in OWN_SUITES} == set(ActorKind)
    assert {suite for suites in OWN_SUITES.values() for suite in suites} <= SUITES.keys()


def test_so_many_orders_are_drawn_by_day_and_a_hundred_times_as_many_by_night():
    assert sum(SUITES.values()) >= LEAST
    assert sum(SUITES.values()) * NIGHTLY_FACTOR >= 200_000
    assert test_music_orders.EXAMPLES * NIGHTLY_FACTOR >= 10_000
