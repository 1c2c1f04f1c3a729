import pytest

from clankvox.errors import WireError
from clankvox.ids import ChannelId, GuildId, Ssrc, UserId
from clankvox.loopback.participant import Participant
from clankvox.loopback.room import Room
from clankvox.wire.gateway_ops import MediaSinkWants, Op, StreamDescription, Video


class Listener(Participant):
    def __init__(self, user, dave_version=1):
        super().__init__(UserId(user), Ssrc(user * 100), dave_version, 0)
        self.port.ssrcs = frozenset(range(user * 100, user * 100 + 5))
        self.heard = []

    def send(self, op, payload):
        self.heard.append((op, payload))

    def report(self):
        return {}

    def ops(self):
        return [op for op, _ in self.heard]

    def last(self, op):
        return [payload for heard, payload in self.heard if heard == op][-1]


@pytest.fixture
def happenings():
    return []


@pytest.fixture
def room(happenings):
    return Room(GuildId(5), ChannelId(6), lambda kind, fields: happenings.append({"type": kind, **fields}), dave=True)


def join(room, user, **changes):
    listener = Listener(user, **changes)
    room.enter(listener)
    room.connect(listener, 0.0)
    return listener


def test_a_newcomer_and_the_others_are_announced_to_each_other(room):
    first, second = join(room, 1), join(room, 2)
    third = join(room, 3)
    assert third.last(Op.CLIENTS_CONNECT).user_ids == ("1", "2")
    assert first.last(Op.CLIENTS_CONNECT).user_ids == second.last(Op.CLIENTS_CONNECT).user_ids == ("3",)
    assert Op.CLIENTS_CONNECT in first.ops()


def test_the_flags_of_op_5_are_told_each_time_and_reported_when_they_change(room, happenings):
    first, second = join(room, 1), join(room, 2)
    for flags in (1, 1, 0):
        room.speak(first, flags)
    assert second.ops().count(Op.SPEAKING) == 3
    assert [happening["speaking"] for happening in happenings if happening["type"] == "speaking"] == [1, 0]


def test_a_joiner_is_told_who_spoke_and_who_shows_video_last(room):
    first = join(room, 1)
    room.speak(first, 1)
    room.speak(first, 0)
    room.show(first, Video(audio_ssrc=100, video_ssrc=101, rtx_ssrc=102))
    second = join(room, 2)
    assert second.last(Op.SPEAKING).speaking == 0
    assert second.last(Op.VIDEO).video_ssrc == 101


def test_video_announces_only_the_senders_own_ssrcs_until_it_is_off(room):
    first, second = join(room, 1), join(room, 2)
    layers = (StreamDescription(ssrc=103, rtx_ssrc=104, max_bitrate=5), StreamDescription(ssrc=999, rtx_ssrc=0))
    room.show(first, Video(audio_ssrc=100, video_ssrc=101, rtx_ssrc=102, streams=layers))
    assert first.port.announced == {101, 102, 103, 104}
    told = second.last(Op.VIDEO)
    assert told.rtx_ssrc is None
    assert told.streams[0].max_bitrate is None
    room.show(first, Video(audio_ssrc=0, video_ssrc=0, rtx_ssrc=0, streams=()))
    assert first.port.announced == set()


def test_a_sender_is_told_the_most_that_anybody_wants(room):
    first, second, third = join(room, 1), join(room, 2), join(room, 3)
    room.want(second, MediaSinkWants(wants={101: 0}))
    assert first.last(Op.MEDIA_SINK_WANTS).wants == {101: 100}
    room.want(third, MediaSinkWants(any=0, wants={101: 50}))
    assert first.last(Op.MEDIA_SINK_WANTS).wants == {101: 50}
    assert second.port.unwanted == {101}


def test_encryption_is_due_while_all_understand_it(room):
    join(room, 1)
    assert room.media.encryption_due
    plain = join(room, 2, dave_version=0)
    room.service.transition_ready(UserId(1), 1)
    room.apply(room.service.tick(1.0), 1.0)
    assert not room.media.encryption_due
    room.leave(plain, 5.0)
    room.apply(room.service.tick(5.0), 5.0)
    room.apply(room.service.tick(9.0), 9.0)
    assert room.media.encryption_due
    assert room.media.in_transition(9.5)
    assert not room.media.in_transition(10.5)


def test_who_left_is_gone_and_leaving_twice_changes_nothing(room):
    first, second = join(room, 1), join(room, 2)
    room.leave(first, 1.0)
    room.leave(first, 1.0)
    assert second.ops().count(Op.CLIENT_DISCONNECT) == 1
    assert room.media.ports == [second.port]


def test_what_is_no_dave_message_of_a_client_is_refused(room):
    first = join(room, 1)
    with pytest.raises(WireError):
        room.receive_dave(first, Op.MLS_WELCOME, b"", 0.0)


def shown(ssrc=101, **more):
    return Video(audio_ssrc=100, video_ssrc=ssrc, rtx_ssrc=ssrc + 1, **more)


def test_an_update_without_a_list_keeps_the_former_one(room):
    first = join(room, 1)
    layers = (StreamDescription(ssrc=103, rtx_ssrc=104, active=True),)
    room.show(first, shown(streams=layers))
    room.show(first, shown())
    assert join(room, 2).last(Op.VIDEO).streams == layers
    assert first.port.repairs == {102: 101, 104: 103}


def test_a_joiner_hears_nothing_of_a_video_that_is_off(room):
    first = join(room, 1)
    room.show(first, shown(streams=()))
    room.show(first, Video(audio_ssrc=0, video_ssrc=0, rtx_ssrc=0, streams=()))
    assert Op.VIDEO not in join(room, 2).ops()


def test_a_repair_ssrc_that_is_not_named_is_the_next_one(room):
    first = join(room, 1)
    room.show(first, Video(audio_ssrc=100, video_ssrc=101, streams=(StreamDescription(ssrc=101),)))
    assert first.port.repairs == {102: 101}


def test_a_video_is_reported_when_it_changes(room, happenings):
    first = join(room, 1)
    layers = (StreamDescription(ssrc=101, rtx_ssrc=102, active=True),)
    for video in (shown(streams=layers), shown(streams=layers), shown(0, streams=())):
        room.show(first, video)
    assert [one["active"] for one in happenings if one["type"] == "video"] == [True, False]
    assert first.ops().count(Op.MEDIA_SINK_WANTS) == 1
