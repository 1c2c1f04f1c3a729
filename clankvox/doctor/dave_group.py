"""End-to-end encryption in a real group, with the offline Discord's delivery service between its members.

The keys of an MLS group are random by design, so that no whole group can be frozen as a known answer. What can be is
frozen: media keys and a frame from a known secret, and the code that people compare. Then davey makes a group, to which
a member is added that shares no code with it: it must find the same keys and open the same frames.
"""

from collections import deque
from typing import Final

import davey

from clankvox.doctor.finding import Wrong
from clankvox.doctor.own_frames import open_frame, seal_frame, sender_key
from clankvox.doctor.own_member import OwnMember
from clankvox.errors import OpenFailed
from clankvox.ids import ChannelId, TransitionId, UserId
from clankvox.loopback.delivery import DeliveryService
from clankvox.loopback.member import Answer, DaveMember, Library
from clankvox.loopback.mls_outbox import Effects
from clankvox.media.mls_engine import DAVE_VERSION, DaveyEngine
from clankvox.wire.dave_frame import is_dave_frame
from clankvox.wire.gateway_ops import Op, TransitionReady
from clankvox.wire.video_codec import VideoCodec

_CHANNEL: Final = ChannelId(1_000_003)
_ME: Final = UserId(7)
_OTHER: Final = UserId(42)
_STRANGER: Final = UserId(99)
_SILENCE: Final = b"\xf8\xff\xfe"
_OPUS: Final = b"\xfc" + bytes(range(40))
_VP8_DELTA: Final = b"\x01" + bytes(range(60))
_OWN: Final = UserId(43)
KNOWN_BASE: Final = bytes(range(16))
KNOWN_KEYS: Final = (
    "58fc013108dbf996ef651e3f01658bfb",
    "9cddc08f0c8a7cfecabfe757dc33b039",
    "ef2427778fb709d7d1e070846f920024",
)
"""Of the first generations."""
KNOWN_NONCE: Final = 300
KNOWN_PLAIN: Final = bytes.fromhex("fc48454c4c4f")
KNOWN_FRAME: Final = "8f074b7a209e5859873695c52783ac020dfafa"
CODE_INPUT: Final = bytes(range(32))
CODE: Final = "090606058512110636351516066685"
"""Six groups of five digits: five bytes, big-endian, modulo 100,000 each."""


def dave() -> str:
    """Make a group, and let frames cross in all directions; forged ones and those of strangers must not open."""
    _known_answers()
    if davey.generate_displayable_code(CODE_INPUT, len(CODE), 5) != CODE:
        raise Wrong("the code that members compare is another one")
    beside("davey")
    return f"known keys and frame; a group of three, one member computed apart from davey (version {DAVE_VERSION})"


def beside(library: Library) -> None:
    """Make a group whose other member is of `library`, and let frames cross. Raises Wrong."""
    pair = _Pair(library)
    _both_ways(pair)
    _refused(pair)
    _beside_our_own(pair)


def _known_answers() -> None:
    if [sender_key(KNOWN_BASE, generation).hex() for generation in range(len(KNOWN_KEYS))] != list(KNOWN_KEYS):
        raise Wrong("a known secret leads to other keys")
    frame = bytes.fromhex(KNOWN_FRAME)
    if seal_frame(sender_key(KNOWN_BASE, 0), KNOWN_NONCE, KNOWN_PLAIN) != frame:
        raise Wrong("a known frame seals to something else")
    if not is_dave_frame(frame) or open_frame(KNOWN_BASE, frame) != KNOWN_PLAIN:
        raise Wrong("a known frame does not open")


class _Pair:
    """Our engine and another member, brought into one group."""

    def __init__(self, library: Library) -> None:
        self.ours = DaveyEngine(DAVE_VERSION, _ME, _CHANNEL)
        self.other = DaveMember(_OTHER, _CHANNEL, library)
        self._service = DeliveryService(_CHANNEL)
        self._queue: deque[Effects] = deque()
        self._own: OwnMember | None = None
        self.other.users_connected([_ME])
        self._queue.append(self._service.member_connected(_OTHER, DAVE_VERSION))
        self._answer(self.other.start(DAVE_VERSION))
        self._deliver()
        self._queue.append(self._service.member_connected(_ME, DAVE_VERSION))
        self._queue.append(self._service.key_package(_ME, self.ours.key_package()))
        self._deliver()
        if not (self.ours.ready and self.other.ready and self.ours.members == {_ME, _OTHER}):
            raise Wrong("no group came into being")

    def add(self, member: OwnMember, user: UserId) -> None:
        """Add a member that answers nothing but its key package."""
        self._own = member
        self.other.users_connected([user])
        self._queue.append(self._service.member_connected(user, DAVE_VERSION))
        self._queue.append(self._service.key_package(user, member.key_package))
        self._deliver()
        if self.ours.members != {_ME, _OTHER, user}:
            raise Wrong("a third member was not added")

    def _deliver(self) -> None:
        while self._queue:
            for user, op, payload in self._queue.popleft().outgoing:
                if user == _OTHER:
                    self._answer(self.other.receive(op, payload))
                elif user == _ME and isinstance(payload, bytes):
                    self._to_us(op, payload)
                elif op is Op.MLS_WELCOME and self._own is not None and isinstance(payload, bytes):
                    self._own.join(payload[2:])
                    self._acknowledge(user, payload)

    def _to_us(self, op: Op, payload: bytes) -> None:
        match op:
            case Op.MLS_EXTERNAL_SENDER:
                self.ours.set_external_sender(payload)
            case Op.MLS_PROPOSALS:
                commit = self.ours.process_proposals(payload, [_ME, _OTHER, _OWN])
                if commit:
                    self._queue.append(self._service.commit_welcome(_ME, commit))
            case Op.MLS_ANNOUNCE_COMMIT | Op.MLS_WELCOME:
                join = self.ours.process_commit if op is Op.MLS_ANNOUNCE_COMMIT else self.ours.process_welcome
                join(payload[2:])
                self._acknowledge(_ME, payload)

    def _acknowledge(self, user: UserId, payload: bytes) -> None:
        """Op 23: without it those who wait for the execution go on with the old key."""
        transition_id = TransitionId(int.from_bytes(payload[:2], "big"))
        self._queue.append(self._service.transition_ready(user, transition_id))

    def _answer(self, answers: list[Answer]) -> None:
        for op, payload in answers:
            match payload:
                case bytes() if op is Op.MLS_KEY_PACKAGE:
                    self._queue.append(self._service.key_package(_OTHER, payload))
                case bytes() if op is Op.MLS_COMMIT_WELCOME:
                    self._queue.append(self._service.commit_welcome(_OTHER, payload))
                case TransitionReady(transition_id=transition_id):
                    self._queue.append(self._service.transition_ready(_OTHER, transition_id))
                case _:
                    raise Wrong(f"a member answers op {int(op)}")


def _both_ways(pair: _Pair) -> None:
    ours, other = pair.ours, pair.other
    sealed = ours.encrypt_opus(_OPUS)
    if not is_dave_frame(sealed) or _OPUS[1:] in sealed:
        raise Wrong("a sealed frame is not one")
    if other.decrypt(_ME, sealed) != _OPUS or ours.decrypt_audio(_OTHER, other.encrypt_opus(_OPUS)) != _OPUS:
        raise Wrong("speech does not come through")
    picture = other.encrypt_video("VP8", _VP8_DELTA)
    if other.decrypt_video(_ME, ours.encrypt_video(VideoCodec.VP8, _VP8_DELTA)) != _VP8_DELTA:
        raise Wrong("a picture of ours does not open")
    if ours.decrypt_video(_OTHER, picture) != _VP8_DELTA:
        raise Wrong("a picture does not open")
    if ours.encrypt_opus(_SILENCE) != _SILENCE:
        raise Wrong("silence does not stay as it is")


def _refused(pair: _Pair) -> None:
    sealed = pair.other.encrypt_opus(_OPUS)
    forged = bytes([sealed[0] ^ 1]) + sealed[1:]
    for sender, frame in ((_STRANGER, sealed), (_OTHER, forged)):
        try:
            pair.ours.decrypt_audio(sender, frame)
        except OpenFailed:
            continue
        raise Wrong("a frame opens that must not")


def _beside_our_own(pair: _Pair) -> None:
    """Compare davey with a member that shares no code with it."""
    own = OwnMember(_OWN)
    pair.add(own, _OWN)
    for sender, sealed in ((_ME, pair.ours.encrypt_opus(_OPUS)), (_OTHER, pair.other.encrypt_opus(_OPUS))):
        if open_frame(own.sender_base(sender), sealed) != _OPUS:
            raise Wrong("davey seals other frames than the protocol says")
    frame = seal_frame(sender_key(own.sender_base(_OWN), 0), 1, _OPUS)
    if pair.ours.decrypt_audio(_OWN, frame) != _OPUS:
        raise Wrong("davey opens other frames than the protocol says")
