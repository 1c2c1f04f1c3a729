"""davey behind our interface: real groups, contained failures."""

from collections import deque

import davey
import pytest

from clankvox.errors import MlsError, OpenFailed
from clankvox.media.mls_engine import DAVE_VERSION, DaveyEngine, _contained
from clankvox.wire.dave_frame import is_dave_frame
from clankvox.wire.gateway_ops import Op
from clankvox.wire.video_codec import VideoCodec
from tests.support.dave_room import CHANNEL, DaveRoom

ME, OTHER = 7, 42
FRAME = b"\xfc" + bytes(range(40))


class OneOfUs(DaveRoom):
    """A room in which one member is our engine, driven by hand."""

    def __init__(self, library):
        super().__init__()
        self.engine = DaveyEngine(DAVE_VERSION, ME, CHANNEL)
        self.join(OTHER, library)
        self.run()
        self._enter()
        self.apply(self.service.member_connected(ME, 1))
        self.apply(self.service.key_package(ME, self.engine.key_package()))
        self.run()

    def _enter(self):
        self._down[ME], self._up[ME] = deque(), deque()
        self._down[OTHER].append(("connect", [ME]))

    def step(self):
        while self._down.get(ME):
            self._to_us(*self._down[ME].popleft())
        return super().step()

    def _to_us(self, op, payload):
        match op:
            case Op.MLS_EXTERNAL_SENDER:
                self.engine.set_external_sender(payload)
            case Op.MLS_PROPOSALS:
                commit = self.engine.process_proposals(payload, [ME, OTHER])
                if commit:
                    self.apply(self.service.commit_welcome(ME, commit))
            case Op.MLS_ANNOUNCE_COMMIT | Op.MLS_WELCOME:
                process = self.engine.process_commit if op == Op.MLS_ANNOUNCE_COMMIT else self.engine.process_welcome
                process(payload[2:])
                self.apply(self.service.transition_ready(ME, int.from_bytes(payload[:2], "big")))


@pytest.fixture(scope="module", params=["davey", "libdave"])
def room(request):
    return OneOfUs(request.param)


def test_a_group_with_a_member_makes_us_ready(room):
    assert room.engine.ready
    assert room.engine.members == {ME, OTHER}
    assert room.engine.epoch == room.service.epoch
    assert len(room.engine.privacy_code) == 30


def test_frames_open_at_the_other_end_both_ways(room):
    sealed = room.engine.encrypt_opus(FRAME)
    assert is_dave_frame(sealed)
    assert FRAME not in sealed
    assert room.members[OTHER].decrypt(ME, sealed) == FRAME
    assert room.engine.decrypt_audio(OTHER, room.members[OTHER].encrypt_opus(FRAME)) == FRAME


def test_silence_stays_as_it_is(room):
    assert room.engine.encrypt_opus(b"\xf8\xff\xfe") == b"\xf8\xff\xfe"


def test_a_frame_of_another_sender_or_with_a_flipped_bit_does_not_open(room):
    sealed = room.members[OTHER].encrypt_opus(FRAME)
    with pytest.raises(OpenFailed):
        room.engine.decrypt_audio(99, sealed)
    with pytest.raises(OpenFailed):
        room.engine.decrypt_audio(OTHER, bytes([sealed[0] ^ 1]) + sealed[1:])


def test_a_session_without_a_group_has_a_key_package_and_nothing_else():
    engine = DaveyEngine(DAVE_VERSION, ME, CHANNEL)
    assert (engine.ready, engine.epoch, engine.members, engine.privacy_code) == (False, None, frozenset(), None)
    assert engine.key_package()
    with pytest.raises(MlsError):
        engine.encrypt_opus(FRAME)


@pytest.mark.parametrize(
    "call",
    [
        lambda engine: engine.set_external_sender(b"junk"),
        lambda engine: engine.process_proposals(b"", []),
        lambda engine: engine.process_proposals(b"\x02x", []),
        lambda engine: engine.process_proposals(b"\x00junk", []),
        lambda engine: engine.process_commit(b"junk"),
        lambda engine: engine.process_welcome(b"junk"),
        lambda engine: engine.encrypt_opus(FRAME),
        lambda _: DaveyEngine(99, ME, CHANNEL),
    ],
)
def test_every_refusal_is_an_mls_error(call):
    with pytest.raises(MlsError):
        call(DaveyEngine(DAVE_VERSION, ME, CHANNEL))


def test_a_native_panic_is_contained_and_an_interrupt_is_not():
    class Panic(BaseException):
        pass

    def panic():
        raise Panic

    def interrupt():
        raise KeyboardInterrupt

    with pytest.raises(OpenFailed, match="davey panicked"):
        _contained(panic, OpenFailed)
    with pytest.raises(KeyboardInterrupt):
        _contained(interrupt, MlsError)


def test_the_version_that_we_speak_is_daveys():
    assert DAVE_VERSION == davey.DAVE_PROTOCOL_VERSION


@pytest.mark.parametrize("codec", VideoCodec)
def test_a_whole_video_frame_opens_at_the_other_end(room, codec):
    key_frame = {
        VideoCodec.H264: b"".join(b"\0\0\0\1" + nal for nal in (b"\x67sps", b"\x68pps", b"\x65\xb8" + FRAME * 9)),
        VideoCodec.VP8: b"\x10\x02\x00\x9d\x01\x2a\x80\x02\xe0\x01" + FRAME * 9,
    }[codec]
    sealed = room.engine.encrypt_video(codec, key_frame)
    assert is_dave_frame(sealed)
    assert FRAME not in sealed
    theirs = room.members[OTHER]
    assert theirs.decrypt_video(ME, sealed) == key_frame
    assert room.engine.decrypt_video(OTHER, theirs.encrypt_video(codec.value, key_frame)) == key_frame
    with pytest.raises(OpenFailed):
        room.engine.decrypt_video(OTHER, sealed)
