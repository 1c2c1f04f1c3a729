import pytest

from clankvox.demo.golive import CARELESS_ID, STREAMER_ID, VIEWER_ID, GoLive, Shown
from clankvox.demo.journal import NotSeen
from clankvox.demo.parent import VoxParent
from clankvox.demo.plan import VOX_ID
from tests.support.demo_call import a_plan
from tests.support.vox_scripted import READY, child

CREDENTIALS = dict.fromkeys(("endpoint", "token", "sessionId", "daveChannelId", "rtcChannelId"), "x")


class Recorded:
    """Stands in for the offline Discord: every order is carried out, and nothing comes of it."""

    def __init__(self):
        self.orders = []

    def order(self, fields):
        self.orders.append(fields)
        return {**CREDENTIALS, "userId": fields["userId"], "serverId": str(len(self.orders))}


def test_the_two_streams_have_servers_of_their_own_and_the_act_breaks_off_where_the_process_does(tmp_path):
    discord, shown = Recorded(), Shown()
    got = 't = b\'{"type":"got","line":\' + line().strip() + b\'}\''
    echo = f"{got}\nout.write(b'\\x00' + len(t).to_bytes(4, 'little') + t)"
    with VoxParent(command=child(READY, echo, echo, "sys.exit(3)")) as vox:
        with pytest.raises(NotSeen, match="transport_state: the process ended before"):
            GoLive(a_plan(tmp_path), vox, discord, shown).run()
        wish, connect = (event.body["line"] for event in vox.events_of("got"))
    assert (wish["type"], wish["userId"]) == ("subscribe_user_video", STREAMER_ID)
    assert connect == {"type": "stream_watch_connect", "userId": VOX_ID, "serverId": "1", **CREDENTIALS}
    assert shown.subscribed_s > 0
    added = [(order["type"], order["userId"], order.get("serverId")) for order in discord.orders]
    assert added == [
        ("add_stream", VOX_ID, None),
        ("add_stream", VOX_ID, None),
        ("add_publisher", STREAMER_ID, "1"),
        ("add_watcher", VIEWER_ID, "2"),
        ("add_watcher", CARELESS_ID, "2"),
    ]
