"""End-to-end encryption in a real group of two, with the offline Discord's delivery service between them.

The keys of an MLS group are random by design, so that no whole group can be frozen as a known answer: what is frozen is
the code that people compare (DAVE protocol, "Displayable Codes"), and the group is made anew.
"""

from collections import deque
from typing import Final

import davey

from clankvox.doctor.finding import Wrong
from clankvox.errors import OpenFailed
from clankvox.ids import ChannelId, UserId
from clankvox.loopback.delivery import DeliveryService
from clankvox.loopback.member import Answer, DaveMember
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
CODE_INPUT: Final = bytes(range(32))
CODE: Final = "090606058512110636351516066685"
"""Six groups of five digits: five bytes, big-endian, modulo 100,000 each."""


def dave() -> str:
    """Make a group, and let frames cross both ways; forged ones and those of strangers must not open."""
    if davey.generate_displayable_code(CODE_INPUT, len(CODE), 5) != CODE:
        raise Wrong("the code that members compare is another one")
    pair = _Pair()
    _both_ways(pair)
    _refused(pair)
    return f"a group of two, frames both ways, forged ones refused (version {DAVE_VERSION})"


class _Pair:
    """Our engine and another member, brought into one group."""

    def __init__(self) -> None:
        self.ours = DaveyEngine(DAVE_VERSION, _ME, _CHANNEL)
        self.other = DaveMember(_OTHER, _CHANNEL)
        self._service = DeliveryService(_CHANNEL)
        self._queue: deque[Effects] = deque()
        self.other.users_connected([_ME])
        self._queue.append(self._service.member_connected(_OTHER, DAVE_VERSION))
        self._answer(self.other.start(DAVE_VERSION))
        self._deliver()
        self._queue.append(self._service.member_connected(_ME, DAVE_VERSION))
        self._queue.append(self._service.key_package(_ME, self.ours.key_package()))
        self._deliver()
        if not (self.ours.ready and self.other.ready and self.ours.members == {_ME, _OTHER}):
            raise Wrong("no group came into being")

    def _deliver(self) -> None:
        while self._queue:
            for user, op, payload in self._queue.popleft().outgoing:
                if user == _OTHER:
                    self._answer(self.other.receive(op, payload))
                elif isinstance(payload, bytes):
                    self._to_us(op, payload)

    def _to_us(self, op: Op, payload: bytes) -> None:
        match op:
            case Op.MLS_EXTERNAL_SENDER:
                self.ours.set_external_sender(payload)
            case Op.MLS_PROPOSALS:
                commit = self.ours.process_proposals(payload, [_ME, _OTHER])
                if commit:
                    self._queue.append(self._service.commit_welcome(_ME, commit))
            case Op.MLS_ANNOUNCE_COMMIT | Op.MLS_WELCOME:
                join = self.ours.process_commit if op is Op.MLS_ANNOUNCE_COMMIT else self.ours.process_welcome
                join(payload[2:])

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
