"""Whose a frame is, what of it is a picture, and frames that were encrypted packet by packet."""

import pytest

from clankvox.errors import WireError
from clankvox.media.frame_assembler import AssembledFrame
from clankvox.media.frame_cipher import FrameCipher, FrameRejected, Gate, RejectReason
from clankvox.media.frame_opener import FrameOpener
from clankvox.media.sender_binding import SweepBudget
from clankvox.media.video_totals import VideoTotals
from clankvox.wire.h264 import packetise, split_annex_b
from clankvox.wire.video_codec import VideoCodec
from tests.support.coded_video import access_units
from tests.support.hearing import ALICE, BOB, ME, room_of
from tests.support.watching import SeeingEngine, widened

KEY = access_units(1)[0]
NOW = 50.0


@pytest.fixture(scope="module")
def room():
    return room_of(ME, ALICE, BOB)


class Opening:
    def __init__(self, room=None, clear=False):
        cipher, self.totals = FrameCipher(), VideoTotals()
        if room is not None:
            cipher.install(SeeingEngine(room, ME))
        if clear:
            cipher.set_gate(Gate.CLEAR)
        self.opener = FrameOpener(cipher, SweepBudget(), self.totals)

    def open(self, data, payloads=(), codec=VideoCodec.H264, now=NOW):
        return self.opener.open(codec, AssembledFrame(data, tuple(payloads), 0, now, after_loss=False), now)


def test_a_frame_shows_who_sent_it_and_what_it_is(room):
    opening = Opening(room)
    opened = opening.open(room.members[ALICE].encrypt_video("H264", KEY))
    assert (opened.user_id, opened.data, opened.authenticated) == (ALICE, widened(KEY), True)
    assert opened.picture.keyframe
    assert opening.opener.binding.proven == ALICE


def test_what_opens_and_is_no_picture_is_refused(room):
    sets_only = b"".join(b"\0\0\0\1" + nal for nal in split_annex_b(KEY)[:2])
    with pytest.raises(WireError) as refused:
        Opening(room).open(room.members[ALICE].encrypt_video("H264", sets_only))
    assert not isinstance(refused.value, FrameRejected)


def test_a_clear_picture_of_nobody_is_refused():
    opening = Opening(clear=True)
    with pytest.raises(WireError):
        opening.open(widened(KEY))
    opening.opener.binding.hinted = BOB
    assert opening.open(widened(KEY)).user_id == BOB


def by_packet(member, unit, count=3):
    """Encrypt each NAL unit as a frame of its own, as a sender would that takes packets for frames."""
    nals = [nal for nal in split_annex_b(unit) if nal[0] & 0x1F != 6]
    return [member.encrypt_opus(payload) for payload in packetise(nals, 500)[: count or None]]


def test_frames_encrypted_packet_by_packet_open_too_and_are_counted(room):
    opening = Opening(room)
    payloads = by_packet(room.members[ALICE], KEY, count=0)
    opened = opening.open(b"".join(payloads), payloads)
    assert opened.data == widened(b"".join(b"\0\0\0\1" + nal for nal in split_annex_b(KEY) if nal[0] & 0x1F != 6))
    assert (opened.user_id, opening.totals.dave_per_packet_frames) == (ALICE, 1)


def test_one_sealed_packet_and_rubbish_are_not_taken_for_that(room):
    opening = Opening(room)
    sealed = [room.members[ALICE].encrypt_opus(b"\x41a whole picture")]
    cut = by_packet(room.members[ALICE], KEY, count=3)[1:]
    damaged = [payload[:5] + b"\xff" + payload[6:] for payload in by_packet(room.members[ALICE], KEY)]
    mixed = [*by_packet(room.members[ALICE], KEY)[:2], b"\x41clear"]
    for payloads in (sealed, cut[::-1], damaged, mixed):
        with pytest.raises(FrameRejected) as rejected:
            opening.open(b"".join(by_packet(room.members[BOB], KEY)), payloads, now=NOW)
        assert rejected.value.reason is RejectReason.NO_KEY
    assert opening.totals.dave_per_packet_frames == 0
