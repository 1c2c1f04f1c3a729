import pytest

from clankvox.errors import InvalidRequest
from clankvox.ids import GuildId, UserId
from clankvox.loopback.stream_servers import StreamServers


def test_credentials_name_the_group_one_below_the_server_and_do_not_show_the_token():
    servers = StreamServers()
    issued = servers.issue(GuildId(2**64 - 2), UserId(1), "session")
    assert issued.to_json("ws://x") == {
        "endpoint": "ws://x",
        "token": issued.token,
        "serverId": "18446744073709551614",
        "sessionId": "session",
        "userId": "1",
        "daveChannelId": "18446744073709551613",
        "rtcChannelId": "18446744073709551615",
    }
    assert issued.token not in repr(issued)
    assert issued.server_id in servers
    assert servers.issued(issued.server_id, UserId(1)) == issued
    assert servers.issued(issued.server_id, UserId(2)) is None


def test_a_second_issue_voids_the_first():
    servers = StreamServers()
    first = servers.issue(GuildId(9), UserId(1), "s")
    assert servers.issue(GuildId(9), UserId(1), "s").token != first.token


@pytest.mark.parametrize("server_id", [0, 2**64 - 1])
def test_an_id_without_neighbours_is_refused(server_id):
    with pytest.raises(InvalidRequest):
        StreamServers().issue(GuildId(server_id), UserId(1), "s")
