import random

import pytest

from clankvox.clock import SystemClock
from clankvox.errors import InvalidRequest, PeerViolation
from clankvox.ids import ChannelId, GuildId
from clankvox.loopback.impairment import Impairment
from clankvox.loopback.options import Options
from clankvox.loopback.registry import Registry
from clankvox.loopback.sfu import Sfu
from clankvox.wire.gateway_ops import Identify


def registry(**options):
    sfu = Sfu(lambda *_: None, lambda *_: None, SystemClock())
    return Registry(Options(**options), sfu, 1, lambda *_: None, SystemClock())


def open_session(known, user=1, server=5, channel=None, **changes):
    identify = Identify(
        server_id=str(server),
        channel_id=None if channel is None else str(channel),
        user_id=str(user),
        **{"session_id": "s", "token": "t", **changes},
    )
    session = known.open_session(identify, 9)
    session.room.enter(session)
    return session


def test_a_room_appears_with_its_first_member_and_goes_with_its_last():
    known = registry()
    first, second = open_session(known, 1), open_session(known, 2)
    assert first.room is second.room
    known.leave(first, first.room, "left")
    assert list(known.rooms.values()) == [second.room]
    known.leave(second, second.room, "left")
    assert known.rooms == {}


def test_who_names_no_channel_joins_the_room_that_is_there():
    known = registry()
    named = open_session(known, 1, channel=77)
    assert open_session(known, 2).room is named.room


def test_without_any_room_the_channel_is_the_one_configured_or_else_the_server():
    assert open_session(registry(channels={5: 66})).room.channel_id == ChannelId(66)
    assert open_session(registry()).room.channel_id == ChannelId(5)


def test_channels_of_one_server_are_rooms_of_their_own():
    known = registry()
    first, second = open_session(known, 1, channel=10), open_session(known, 2, channel=11)
    assert first.room is not second.room
    with pytest.raises(InvalidRequest):
        known.only_room()


def test_a_user_that_moves_leaves_its_former_channel():
    known = registry()
    former = open_session(known, 1, channel=10)
    moved = open_session(known, 1, channel=11)
    assert list(known.rooms) == [(GuildId(5), ChannelId(11))]
    assert known.sessions_of(moved.user_id) == [moved]
    assert not former.resumable


def test_no_two_participants_share_an_ssrc():
    known = registry()
    seen = set()
    for user in range(1, 30):
        ssrcs = open_session(known, user).port.ssrcs
        assert not ssrcs & seen
        seen |= ssrcs


def test_the_seed_decides_the_ssrcs():
    seed = random.randrange(1000)
    assert open_session(registry(seed=seed)).port.ssrc == open_session(registry(seed=seed)).port.ssrc
    assert open_session(registry(seed=1)).port.ssrc != open_session(registry(seed=2)).port.ssrc


def test_faults_of_all_are_kept_for_those_who_come_later():
    known = registry()
    known.impair_all(Impairment(loss=0.5), "both")
    known.impair_all(Impairment(), "up")
    port = open_session(known).port
    assert (port.up.clean, port.down.clean) == (True, False)
    known.impair_all(Impairment(), "both")
    assert port.down.clean


def test_refusals_leave_no_trace():
    known = registry(tokens=frozenset({"good"}))
    with pytest.raises(PeerViolation):
        open_session(known)
    assert known.rooms == {}


def stream_registry():
    known = registry(tokens=frozenset({"t"}))
    call = open_session(known, 1, server=5)
    issued = known.stream_servers.issue(GuildId(1400), call.user_id, known.voice_session(call.user_id))
    return known, issued


@pytest.mark.parametrize("channel", [1399, 1401, 5])
def test_a_stream_server_is_one_room_whose_group_is_named_one_below_whichever_channel_is_told(channel):
    known, issued = stream_registry()
    session = open_session(known, 1, server=1400, channel=channel, token=issued.token, session_id=issued.session_id)
    assert session.room.channel_id == issued.dave_channel_id == 1399
    assert len(known.rooms) == 2
    assert known.sessions_of(session.user_id)[0].room.server_id == 5  # the voice call stays


@pytest.mark.parametrize(
    ("changes", "code"),
    [({"token": "t"}, 4004), ({"session_id": "another"}, 4006), ({"token": "x", "session_id": ""}, 4004)],
)
def test_a_stream_wants_its_own_token_and_the_session_of_the_call(changes, code):
    known, issued = stream_registry()
    with pytest.raises(PeerViolation) as refused:
        open_session(known, 1, server=1400, **{"token": issued.token, "session_id": "s", **changes})
    assert refused.value.close_code == code


def test_a_stream_borrows_no_session_of_another_stream():
    known, issued = stream_registry()
    session = open_session(known, 1, server=1400, token=issued.token)
    known.leave(
        next(one for one in known.sessions_of(session.user_id) if one is not session), known.room(GuildId(5)), "left"
    )
    assert known.voice_session(session.user_id) is None


def test_free_server_ids_have_free_neighbours():
    known = registry()
    ids = [known.free_server_id() for _ in range(3)]
    assert len({number + step for number in ids for step in (-1, 0, 1)}) == 9
