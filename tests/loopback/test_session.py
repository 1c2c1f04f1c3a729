from clankvox.ids import ChannelId, GuildId, Ssrc, UserId
from clankvox.loopback.room import Room
from clankvox.loopback.session import Session
from clankvox.wire.gateway_ops import ExecuteTransition, Identify, Op, StreamDescription, decode_json


class Wire:
    def __init__(self):
        self.frames = []

    def put(self, frame):
        self.frames.append(frame)

    def close(self, code, reason=""):
        self.frames.append(code)

    def numbers(self):
        return [
            int.from_bytes(frame[:2], "big") if isinstance(frame, bytes) else decode_json(frame).seq
            for frame in self.frames
        ]


def session(**identify):
    room = Room(GuildId(5), ChannelId(6), lambda *_: None, dave=True)
    known = Identify(server_id="5", user_id="1", session_id="s", token="t", **identify)
    made = Session(known, room, UserId(1), Ssrc(100), 8, 0)
    made.link = Wire()
    return made


def say(one, count):
    for number in range(count):
        if number % 2:
            one.send(Op.MLS_PROPOSALS, b"payload")
        else:
            one.send(Op.EXECUTE_TRANSITION, ExecuteTransition(transition_id=number % 65536))


def test_json_and_binary_messages_share_one_numbering_from_1():
    one = session()
    say(one, 5)
    assert one.link.numbers() == [1, 2, 3, 4, 5]


def test_a_replay_is_what_came_after_the_number_seen():
    one = session()
    say(one, 5)
    one.link = None
    say(one, 3)
    one.link = Wire()
    assert one.can_replay(4)
    assert one.replay(4) == 4
    assert one.link.numbers() == [5, 6, 7, 8]
    assert one.replay(8) == 0


def test_without_a_number_everything_is_replayed_while_it_is_there():
    one = session()
    say(one, 5)
    one.link = Wire()
    assert one.can_replay(-1)
    assert one.replay(-1) == 5


def test_a_buffer_that_does_not_reach_back_cannot_be_replayed():
    one = session()
    say(one, 5000)
    assert one.can_replay(5000 - 4096)
    assert not one.can_replay(5000 - 4097)
    assert not one.can_replay(5001)
    assert not one.can_replay(-1)


def test_numbers_wrap_at_65536_and_a_replay_crosses_that():
    one = session()
    say(one, 65_538)
    one.link = Wire()
    assert one.replay(65_534) == 4
    assert one.link.numbers() == [65_535, 0, 1, 2]


def test_streams_get_an_ssrc_and_a_repair_ssrc_each():
    one = session(streams=(StreamDescription(type="screen", rid="100"), StreamDescription(type="screen", rid="50")))
    assert [(stream.type, stream.rid, stream.ssrc, stream.rtx_ssrc) for stream in one.streams] == [
        ("video", "100", 101, 102),
        ("video", "50", 103, 104),
    ]
    assert one.port.ssrcs == {100, 101, 102, 103, 104}


def test_a_client_that_says_video_without_a_list_gets_one_layer():
    (stream,) = session(video=True).streams
    assert (stream.type, stream.rid, stream.ssrc, stream.rtx_ssrc, stream.active) == ("video", "100", 101, 102, False)
    assert session().streams == ()
