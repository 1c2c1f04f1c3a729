"""Orders to a running server, by what a client then meets."""

import pytest

from clankvox.errors import InvalidRequest
from clankvox.loopback.discord import LoopbackDiscord
from clankvox.wire import ip_discovery
from clankvox.wire.gateway_ops import Op
from tests.support.raw_client import RawClient

PACKETS = 300


@pytest.fixture
def discord():
    with LoopbackDiscord(tls=False) as running:
        yield running


def pair(discord):
    sender, receiver = RawClient(discord, 1), RawClient(discord, 2)
    sender.wait_ready()
    receiver.wait_ready()
    sender.speak()
    receiver.wait(Op.SPEAKING)
    return sender, receiver


def talk(sender, packets=PACKETS):
    """Send evenly enough for socket buffers, and end with what is never lost: a pong says that all is through."""
    for index in range(packets):
        sender.send_frame(index.to_bytes(2, "big"))
        if index % 50 == 49:
            sender.udp.send(ip_discovery.build_ping(index))
            while ip_discovery.parse_pong(sender.udp.recv(2048)) != index:
                pass


def sequences(receiver):
    """Everything that arrived, up to a quarter second of quiet."""
    receiver.udp.settimeout(0.25)
    found = []
    try:
        while True:
            packet = receiver.packet()
            found += [packet[0].sequence] if packet and packet[2] else []
    except TimeoutError:
        return found


def test_loss_is_what_was_ordered_and_the_same_for_the_same_seed():
    lost = []
    for _ in range(2):
        with LoopbackDiscord(tls=False) as discord:
            sender, receiver = pair(discord)
            discord.command({"type": "impair", "userId": "2", "direction": "down", "loss": 0.2, "seed": 5})
            talk(sender)
            arrived = sequences(receiver)
            impaired = discord.stats(2)["impaired"]
            assert len(arrived) == PACKETS - impaired["down"]["lost"]
            assert impaired["down"]["lost"] == pytest.approx(0.2 * PACKETS, abs=25)
            assert impaired["up"] == {}
            lost.append(set(range(100, 100 + PACKETS)) - set(arrived))
    assert lost[0] == lost[1]


def test_duplicates_and_reordering_reach_the_receiver(discord):
    sender, receiver = pair(discord)
    discord.command({"type": "impair", "userId": "1", "direction": "up", "duplicate": 0.1, "reorder": 0.1, "seed": 5})
    talk(sender, 200)
    arrived = sequences(receiver)
    counted = discord.stats(1)["impaired"]["up"]
    assert len(arrived) == 200 + counted["duplicated"]
    assert sorted(set(arrived)) == list(range(100, 300))
    assert arrived != sorted(arrived)
    assert counted["reordered"] > 5


def test_faults_of_all_apply_to_those_who_come_later_until_they_are_ended(discord):
    discord.command({"type": "impair", "loss": 1.0})
    sender, receiver = RawClient(discord, 1, join=False), None
    sender.identify()
    sender.wait(Op.READY)
    sender.close()
    discord.command({"type": "impair"})
    sender, receiver = pair(discord)
    talk(sender, 50)
    assert len(sequences(receiver)) == 50


def test_a_stalled_client_loses_its_datagrams_both_ways(discord):
    sender, receiver = pair(discord)
    discord.command({"type": "stall", "userId": "2", "ms": 60_000})
    talk(sender, 20)
    receiver.udp.send(ip_discovery.build_ping(1))
    assert sequences(receiver) == []
    assert discord.stats(2)["forwarded"] == {"stalled": 20}
    discord.command({"type": "stall", "userId": "2", "ms": 0})
    talk(sender, 20)
    assert len(sequences(receiver)) == 20


def test_a_client_that_its_nat_forgot_is_lost_both_ways_until_it_asks_for_its_address(discord):
    sender, receiver = pair(discord)
    discord.command({"type": "nat", "userId": "2"})
    talk(sender, 20)
    receiver.udp.send(ip_discovery.build_ping(1))
    assert sequences(receiver) == []
    seen = discord.stats(2)
    assert (seen["forwarded"], seen["received"]["nat_forgotten"]) == ({"nat_forgotten": 20}, 1)
    receiver.udp.send(ip_discovery.build_request(receiver.ssrc))
    receiver.udp.recv(100)
    talk(sender, 20)
    assert len(sequences(receiver)) == 20


def test_a_nat_forgets_only_the_silent(discord):
    sender, receiver = pair(discord)
    discord.command({"type": "nat", "userId": "2", "afterMs": 86_400_000})
    talk(sender, 20)
    assert len(sequences(receiver)) == 20
    discord.command({"type": "nat", "userId": "2", "afterMs": 0})
    talk(sender, 20)
    assert sequences(receiver) == []


@pytest.mark.parametrize(("until", "opens"), [("group", True), ("session", False)])
def test_what_is_garbled_opens_for_nobody_else_until_a_new_group_if_that_is_to_end_it(discord, until, opens):
    sender, receiver = pair(discord)
    discord.command({"type": "garble", "userId": "2", "until": until})
    sender.send_frame(b"spoilt")
    assert [frame for _, _, frame in receiver.hear(1)] == [None]
    discord.command({"type": "bad_commit", "userId": "2"})
    third = RawClient(discord, 3)
    receiver.wait_until(lambda: receiver.member.dropped["commit_failed"] == 1)
    for client in (third, receiver):
        client.wait_ready()
    heard = []
    while (b"a word", b"a word" if opens else None) not in heard:  # the sender changes its key a moment later
        sender.send_frame(b"a word")
        heard.append(tuple(client.hear(1)[0][2] for client in (third, receiver)))
    assert opens or {mine for _, mine in heard} == {None}


def test_stats_tell_rooms_and_clients(discord):
    pair(discord)
    stats = discord.command({"type": "stats", "id": "x"})
    assert stats["type"] == "stats"
    assert stats["id"] == "x"
    assert stats["rooms"][0]["groupMembers"] == ["1", "2"]
    assert [client["userId"] for client in stats["clients"]] == ["1", "2"]


@pytest.mark.parametrize(
    "command",
    [
        {"type": "close", "userId": "9", "code": 4015},
        {"type": "stall", "userId": "9", "ms": 5},
        {"type": "nat", "userId": "9"},
        {"type": "impair", "userId": "9", "loss": 0.1},
        {"type": "bad_commit", "userId": "9"},
        {"type": "downgrade", "serverId": "99"},
        {"type": "remove_speaker", "userId": "1"},
        {"type": "add_speaker", "userId": "1", "tone": 440},
        {"type": "add_stream", "userId": "1", "serverId": "5"},
        {"type": "add_stream", "userId": "7"},
        {"type": "bad_commit", "userId": "1", "serverId": "9"},
        {"type": "add_speaker", "userId": "3"},
        {"type": "add_speaker", "userId": "3", "tone": 440, "file": "x.wav"},
        {"type": "add_speaker", "userId": "3", "file": "missing.wav"},
        {"type": "add_speaker", "userId": "99999999999999999999", "tone": 440},
    ],
)
def test_what_cannot_be_done_is_refused_and_changes_nothing(discord, command):
    with RawClient(discord, 1) as client:
        client.wait(Op.MLS_EXTERNAL_SENDER)
        with pytest.raises(InvalidRequest):
            discord.command(command)
        assert [one["userId"] for one in discord.command({"type": "stats"})["clients"]] == ["1"]


def test_a_speaker_without_a_room_has_to_name_one(discord):
    with pytest.raises(InvalidRequest):
        discord.command({"type": "add_speaker", "userId": "1", "tone": 440})
    discord.command({"type": "add_speaker", "userId": "1", "tone": 440, "serverId": "5"})
    assert discord.command({"type": "stats"})["rooms"][0]["serverId"] == "5"


def test_a_room_takes_no_more_than_five_members_with_libdave(discord):
    for user in range(1, 6):
        discord.command(
            {"type": "add_speaker", "userId": str(user), "tone": 440, "library": "libdave", "serverId": "5"}
        )
    with pytest.raises(InvalidRequest):
        discord.command({"type": "add_speaker", "userId": "6", "tone": 440, "library": "libdave", "serverId": "5"})
    discord.wait_for(lambda happening: happening["type"] == "epoch" and happening["members"] == 5)


def test_the_faults_of_one_server_leave_the_users_other_connection_alone(discord):
    for server in ("5", "1400"):
        discord.command({"type": "add_speaker", "userId": "1", "tone": 440, "serverId": server})
    discord.command({"type": "impair", "userId": "1", "serverId": "1400", "loss": 1.0})
    members = discord._server._control.cast.members
    assert members[5, 1].port.up.clean
    assert not members[1400, 1].port.up.clean


def test_a_client_gets_credentials_for_a_stream_with_the_session_of_its_call(discord):
    with RawClient(discord, 1):
        issued = discord.add_stream(1)
        assert issued.keys() == {
            "endpoint", "token", "serverId", "sessionId", "userId", "daveChannelId", "rtcChannelId",
        }  # fmt: skip
        assert (issued["endpoint"], issued["sessionId"], issued["userId"]) == (discord.endpoint, "session-1", "1")
        assert int(issued["daveChannelId"]) == int(issued["serverId"]) - 1
        options = {"server": int(issued["serverId"]), "channel": int(issued["daveChannelId"])}
        with RawClient(discord, 1, **options, token=issued["token"], session_id=issued["sessionId"]) as stream:
            watcher = {"type": "add_watcher", "userId": "2", "serverId": issued["serverId"]}
            discord.command(watcher)
            stream.wait_ready()
            assert discord.stats(1, issued["serverId"])["kind"] == "client"
            stream.wait(Op.CLIENTS_CONNECT, predicate=lambda data: data["user_ids"] == ["2"])
    with pytest.raises(InvalidRequest):
        discord.add_stream(3)
    assert discord.add_stream(3, sessionId="mine", serverId="77")["sessionId"] == "mine"


def test_a_client_is_told_to_send_otherwise(discord):
    with RawClient(discord, 1) as client:
        discord.command({"type": "session_update", "userId": "1", "videoCodec": "VP8", "keyframeIntervalMs": 500})
        assert client.wait(Op.SESSION_UPDATE) == {"video_codec": "VP8", "keyframe_interval": 500}
