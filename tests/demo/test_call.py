import pytest

from clankvox.demo.call import Call
from clankvox.demo.journal import NotSeen
from clankvox.demo.parent import VoxParent
from clankvox.demo.plan import MUSIC_ID
from tests.support.demo_call import a_plan
from tests.support.vox_scripted import READY, child, event


class Nowhere:
    endpoint = "127.0.0.1:1"


def test_it_follows_the_contract_and_breaks_off_where_the_process_does(tmp_path):
    asked = event(type="adapter_send", payload={"op": 4, "d": {"guild_id": "7", "channel_id": "8"}})
    got = 't = b\'{"type":"got","line":\' + line().strip() + b\'}\''
    echo = f"{got}\nout.write(b'\\x00' + len(t).to_bytes(4, 'little') + t)"
    script = child(READY, echo, asked, echo, echo, "sys.exit(3)")
    with VoxParent(command=script) as vox:
        call = Call(a_plan(tmp_path), vox, Nowhere())
        with pytest.raises(NotSeen, match="ready: the process ended before"):
            call.run()

        join, state, server = (entry.body["line"] for entry in vox.events_of("got"))
    assert join["type"] == "join"
    assert state == {"type": "voice_state", "data": {**state["data"], "channel_id": "8"}}
    assert server["data"]["guild_id"] == "7"
    assert server["data"]["endpoint"] == Nowhere.endpoint
    assert call.outcome.acts == ["join"]


class Empty(Nowhere):
    def order(self, fields):
        return fields


def test_music_that_cannot_be_had_is_not_waited_for(tmp_path):
    error = event(type="music_error", musicId=MUSIC_ID, code="http_403", message="the server answers 403 (forbidden)")
    with VoxParent(command=child(READY, error, "sys.stdin.read()")) as vox:
        call = Call(a_plan(tmp_path), vox, Empty())
        with pytest.raises(NotSeen, match="http_403: the server answers 403"):
            call._play()
