"""WebSocket messages that no voice server should send reach the real process."""

import json
import random
import socket
from contextlib import ExitStack, suppress

import pytest

from clankvox.demo.parent import VoxParent
from clankvox.wire.gateway_ops import Op, encode_server_binary
from tests.support.gateway_server import GatewayServer
from tests.support.hostile import AMID, HostileDiscord, breaks, told_of
from tests.support.process_call import Call, eventually, pcm_of

HZ = 440
CHANGES_A_GROUP = {Op.MLS_PROPOSALS, Op.MLS_ANNOUNCE_COMMIT, Op.MLS_WELCOME, Op.MLS_EXTERNAL_SENDER}


@pytest.fixture
def hostile():
    """A call in which one member speaks a tone that is captured."""
    with HostileDiscord() as discord, VoxParent(args=("--log-level", "debug")) as vox:
        call = Call(vox, discord, connection_id=None)
        call.enter()
        call.speaker = call.add(tone=HZ)
        call.subscribe(call.speaker)
        vox.wait_for_audio(call.speaker)
        yield call
        assert not [line for line in vox.stderr_lines if "Traceback" in line or '"level": "error"' in line]


def go_on(call, count=25):
    wanted = len(call.audio_of(call.speaker)) + count
    eventually(lambda: len(call.audio_of(call.speaker)) >= wanted, "more of the tone")


def nonsense(rng):
    """JSON of a known op with data of a wrong shape."""
    values = [
        None,
        True,
        -1,
        1 << 70,
        1.5,
        "",
        "x",
        [],
        [1],
        {},
        {"user_id": 1.5},
        {"ssrc": "a"},
        {"ssrc": -1, "user_id": "x"},
    ]
    values += [{"user_ids": [1]}, {"transition_id": -1}, {"protocol_version": "1"}, {"secret_key": [256] * 32}]
    harmless = [op for op in Op if op not in (Op.HELLO, Op.READY, Op.SESSION_DESCRIPTION, Op.RESUMED)]
    return {"op": int(rng.choice(harmless)), "d": rng.choice(values), "seq": rng.choice([None, 3, "3"])}


def test_random_and_truncated_messages_change_nothing(hostile):
    call, rng = hostile, random.Random(7)
    quiet = [op for op in range(256) if op not in CHANGES_A_GROUP]
    for _ in range(150):
        text = json.dumps(nonsense(rng))
        for frame in (
            text[: rng.randrange(len(text))],
            text,
            rng.choice(["", "null", "[]", "1", '{"op":"5"}', '{"op":99,"d":{}}', '{"d":{}}', "[" * 5_000]),
            rng.randbytes(rng.randrange(4)),
            encode_server_binary(rng.randrange(1 << 16), rng.choice(quiet), rng.randbytes(rng.randrange(100))),
        ):
            call.discord.frame(call.me, frame)
    go_on(call)
    assert breaks(pcm_of(call.audio_of(call.speaker)), HZ) == []
    assert told_of(call) == AMID
    assert call.discord.session(call.me).link is not None


@pytest.mark.parametrize("op", sorted(CHANGES_A_GROUP))
def test_a_garbled_dave_message_is_recovered_from_and_the_speaker_is_heard_again(hostile, op):
    call, rng = hostile, random.Random(8)
    for size in (0, 1, 40):  # of these only the last is a message at all
        call.discord.frame(call.me, encode_server_binary(rng.randrange(1 << 16), op, rng.randbytes(size)))
    go_on(call, 10)
    newcomer = call.add(tone=880)
    call.subscribe(newcomer)
    eventually(lambda: len(call.audio_of(newcomer)) >= 10, "the newcomer")
    go_on(call)
    assert breaks(pcm_of(call.audio_of(call.speaker)[-20:]), HZ) == []
    assert call.leaked_frames() == 0


BROKEN_FRAMES = {
    "reserved bits": b"\xff" * 64,
    "masked by the server": b"\x81\x85\0\0\0\0hello",
    "text that is not UTF-8": b"\x81\x02\xff\xfe",
    "a ping that is too long": b"\x89\x7e\x01\x00" + bytes(256),
    "a message of 2**63 bytes": b"\x82\x7f\x7f" + b"\xff" * 7,
    "an end in its midst": b"\x81\x7e\x10\x00{",
}


class Scripted:
    """Stands in for the offline Discord where only its endpoint matters."""

    def __init__(self, server):
        self.endpoint = f"ws://127.0.0.1:{server.port}"


def identified(server):
    """Accept the next connection and go on with it as far as op 0."""
    connection = server.accept()
    connection.send(json.dumps({"op": Op.HELLO, "d": {"v": 9, "heartbeat_interval": 10_000.0}}))
    assert json.loads(connection.recv(10))["op"] == Op.IDENTIFY
    return connection


def test_bytes_that_are_no_websocket_frames_end_in_a_clean_reconnection():
    with ExitStack() as stack:
        pairs = [(stack.enter_context(GatewayServer()), stack.enter_context(VoxParent())) for _ in BROKEN_FRAMES]
        calls = [Call(vox, Scripted(server)) for server, vox in pairs]
        for call in calls:
            call.join()
            call.credentials()
        for (server, _), garbage in zip(pairs, BROKEN_FRAMES.values(), strict=True):
            connection = identified(server)
            connection.socket.sendall(garbage)
            with suppress(OSError):  # who reads garbage may have hung up by now
                connection.socket.shutdown(socket.SHUT_WR)
        told = {}
        for (server, vox), call, name in zip(pairs, calls, BROKEN_FRAMES, strict=True):
            identified(server)
            told[name] = [event["type"] for event in call.told()]
            vox.send({"type": "destroy"})
            assert vox.wait_exit() == 0
    reconnected = ["adapter_send", "connection_state", "transport_state", "adapter_send"]
    assert told == dict.fromkeys(BROKEN_FRAMES, reconnected)
