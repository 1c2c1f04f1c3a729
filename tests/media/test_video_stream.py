"""One stream while its group changes, and under everything that a hostile sender may do."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clankvox.ids import Ssrc
from clankvox.media.frame_assembler import MOST_NALS
from clankvox.media.frame_cipher import FrameRejected, RejectReason
from clankvox.media.frame_stash import MOST_FRAMES
from clankvox.media.watch_list import RemoteStream
from clankvox.wire import rtcp
from clankvox.wire.video_codec import VideoCodec
from tests.support.coded_video import access_units
from tests.support.dave_room import DaveRoom
from tests.support.hearing import ALICE, BOB, CAROL, ME, room_of
from tests.support.watching import VIDEO_SSRC, WISH, Eyes, Filmer, widened

UNITS = access_units(40, gop=20)
PLAIN = [widened(unit) for unit in UNITS]


@pytest.fixture(scope="module")
def room():
    return room_of(ME, ALICE, BOB)


def filmer(room):
    return Filmer(room.members[ALICE])


class Locked:
    """A cipher's engine whose keys of some senders have not come yet."""

    def __init__(self, engine):
        self._engine, self.locked = engine, True

    def decrypt_video(self, user_id, frame):
        if self.locked:
            raise FrameRejected(RejectReason.NO_KEY)
        return self._engine.decrypt_video(user_id, frame)

    def __getattr__(self, name):
        return getattr(self._engine, name)


class Beginner:
    """An engine that has no group yet."""

    ready, members, epoch = False, frozenset(), None


def locked(eyes):
    lock = Locked(eyes.engine)
    eyes.cipher.install(lock)
    return lock


def unlock(eyes, lock):
    lock.locked = False
    eyes.cipher.mls(lambda engine: engine.ready)
    eyes.pipeline.poll(eyes.now)


@pytest.mark.parametrize("library", ["davey", "libdave"])
def test_no_picture_is_lost_while_members_come_and_go(library):
    room = DaveRoom()
    for user in (ME, ALICE):
        room.join(user, library if user == ALICE else "davey")
    room.run()
    eyes, camera = Eyes(room).watch(ALICE), filmer(room)
    for step, units in enumerate([UNITS[:10], UNITS[10:25], UNITS[25:]]):
        eyes.see(camera.frames(units))
        if step == 0:
            room.join(CAROL)
            room.run()
        elif step == 1:
            room.leave(CAROL)
            room.run()
        eyes.cipher.mls(lambda engine: engine.ready)
    assert eyes.units == PLAIN
    assert eyes.totals.dave_decrypt_fail == 0


def test_pictures_whose_key_is_on_its_way_are_seen_in_order_when_it_is_there(room):
    eyes, camera = Eyes(room).watch(ALICE), filmer(room)
    eyes.see(camera.frames(UNITS[:5]))
    lock = locked(eyes)
    eyes.see(camera.frames(UNITS[5:25]))
    assert eyes.units == PLAIN[:5]
    unlock(eyes, lock)
    eyes.see(camera.frames(UNITS[25:]))
    assert eyes.units == PLAIN
    assert eyes.totals.dave_decrypt_fail == 0
    assert eyes.totals.plis == 1


def test_a_group_that_goes_while_members_are_tried_is_not_polled_for_without_end(room):
    eyes, camera = Eyes(room).watch(ALICE), filmer(room)
    stranger = room_of(ME, BOB)
    camera.member = stranger.members[BOB]
    eyes.see(camera.frames(UNITS[:8]), 0.001)
    assert eyes.video._streams[VIDEO_SSRC]._opener.binding.sweep_at is not None
    eyes.cipher.install(None)
    eyes.wait(5.0)  # asserts that no poll asks for another one at once
    assert eyes.units == []


@pytest.mark.parametrize("library", ["davey", "libdave"])
def test_a_key_that_comes_just_before_a_picture_opens_those_that_wait_first(library):
    room = DaveRoom()
    for user in (ME, ALICE):
        room.join(user, library if user == ALICE else "davey")
    room.run()
    eyes, camera = Eyes(room).watch(ALICE), filmer(room)
    lock = locked(eyes)
    eyes.see(camera.frames(UNITS[:10]))
    lock.locked = False
    eyes.cipher.mls(lambda engine: engine.ready)
    eyes.pipeline._seen_generation = eyes.cipher.generation  # it came behind the look of this datagram's feeding
    eyes.see(camera.frames(UNITS[10:]))
    assert eyes.units == PLAIN
    assert eyes.totals.dave_decrypt_fail == 0


def test_pictures_behind_some_that_never_open_wait_for_no_further_one(room):
    eyes, camera = Eyes(room).watch(ALICE), filmer(room)
    eyes.see(camera.frames(UNITS[:5]))
    lock = locked(eyes)
    foreign = Filmer(room_of(ME, BOB).members[BOB], sequence=camera.sequence, timestamp=camera.timestamp)
    eyes.see(foreign.frames(UNITS[5:7]))
    camera.sequence, camera.timestamp = foreign.sequence, foreign.timestamp
    eyes.see(camera.frames(UNITS[7:25]))
    unlock(eyes, lock)
    assert eyes.units == PLAIN[:5] + PLAIN[20:25]
    eyes.see(camera.frames(UNITS[25:]))
    assert eyes.units == PLAIN[:5] + PLAIN[20:]


def test_pictures_of_the_group_before_open_behind_a_new_beginning(room):
    eyes, camera = Eyes(room).watch(ALICE), filmer(room)
    eyes.see(camera.frames(UNITS[:5]))
    eyes.cipher.succeed(Beginner(), eyes.now)
    eyes.see(camera.frames(UNITS[5:]))
    assert eyes.units == PLAIN
    assert eyes.totals.plis == 1


def test_a_picture_that_is_tried_again_is_no_further_failure(room):
    eyes, camera = Eyes(room).watch(ALICE), filmer(room)
    locked(eyes)
    eyes.see(camera.frames(UNITS[:20]))
    for _ in range(20):
        eyes.cipher.mls(lambda engine: engine.ready)
        eyes.wait(0.05)
    assert [fact for fact in eyes.seen.facts if fact[0] == "undecryptable"] == []


def test_pictures_that_no_key_opens_are_not_tried_again_and_again_with_the_same_keys(room):
    eyes = Eyes(room).watch(ALICE)
    eyes.see(Filmer(room_of(ME, BOB).members[BOB]).frames(UNITS * 3))
    assert eyes.engine.tried <= len(UNITS) * 3 * (2 + len(room.members))


def test_a_sender_whom_nobody_named_is_found_behind_pictures_that_no_key_opens(room):
    eyes = Eyes(room)
    eyes.pipeline.watch((RemoteStream(ALICE, Ssrc(77), None, None, None, WISH),))
    foreign = Filmer(room_of(ME, BOB).members[BOB])
    eyes.see(foreign.frames(UNITS[:10]))
    camera = Filmer(room.members[ALICE], sequence=foreign.sequence, timestamp=foreign.timestamp)
    eyes.see(camera.frames(UNITS[:10]))
    eyes.wait(1.0)
    assert eyes.units == PLAIN[:10]


def test_what_still_does_not_open_when_newer_pictures_do_is_lost(room):
    eyes, camera = Eyes(room).watch(ALICE), filmer(room)
    eyes.see(camera.frames(UNITS[:5]))
    foreign = Filmer(room.members[BOB], sequence=camera.sequence, timestamp=camera.timestamp)
    stranger = room_of(ME, BOB)
    foreign.member = stranger.members[BOB]
    eyes.see(foreign.frames(UNITS[5:7]))
    camera.sequence, camera.timestamp = foreign.sequence, foreign.timestamp
    eyes.see(camera.frames(UNITS[7:]))
    assert eyes.units == PLAIN[:5] + PLAIN[20:]
    assert eyes.totals.dave_decrypt_fail == 2


def test_the_stash_is_bounded_and_what_it_drops_needs_a_key_frame(room):
    eyes, camera = Eyes(room).watch(ALICE), filmer(room)
    lock = locked(eyes)
    sent = 0
    while sent < MOST_FRAMES + 30:
        eyes.see(camera.frames(UNITS), 0.001)
        sent += len(UNITS)
    assert eyes.totals.dave_decrypt_fail == sent - MOST_FRAMES
    unlock(eyes, lock)
    waited = (sent - MOST_FRAMES) % 20
    assert eyes.totals.keyframe_waits == (20 - waited) % 20
    assert len(eyes.units) == MOST_FRAMES - (20 - waited) % 20
    assert eyes.seen.units[0].keyframe


def test_thirty_six_failures_in_a_row_are_told(room):
    eyes, camera = Eyes(room).watch(ALICE), filmer(room)
    locked(eyes)
    eyes.see(camera.frames(UNITS))
    assert ("undecryptable", VIDEO_SSRC, ALICE, 36) in eyes.seen.facts


def test_a_worker_that_is_too_slow_costs_the_sender_no_more_than_a_key_frame_a_second(room):
    eyes, camera = Eyes(room).watch(ALICE), filmer(room)
    eyes.seen.accepting = False
    began = eyes.now
    while eyes.now < began + 10:
        asked = len(eyes.seen.of(rtcp.Pli))
        eyes.see(camera.frames(UNITS[1:3]))
        if len(eyes.seen.of(rtcp.Pli)) > asked:
            eyes.see(camera.frames(UNITS[:1]))
    assert 9 <= len(eyes.seen.of(rtcp.Pli)) <= 11


def test_a_sender_that_changes_its_codec_is_followed(room):
    eyes, camera = Eyes(room).watch(ALICE), filmer(room)
    eyes.see(camera.frames(UNITS[:5]))
    vp8 = access_units(5, codec=VideoCodec.VP8)
    other = Filmer(room.members[ALICE], VideoCodec.VP8, camera.sequence, camera.timestamp)
    eyes.see(other.frames(vp8))
    assert eyes.units == [*PLAIN[:5], *vp8]


def test_a_sender_that_begins_anew_elsewhere_is_followed(room):
    eyes, camera = Eyes(room).watch(ALICE), filmer(room)
    eyes.see(camera.frames(UNITS[:5]))
    camera.sequence += 20_000
    eyes.see(camera.frames(UNITS[20:]))
    assert eyes.units == PLAIN[:5] + PLAIN[20:]
    assert eyes.totals.restarts == 1


def test_a_sender_that_begins_anew_a_little_behind_is_followed_too(room):
    eyes, camera = Eyes(room).watch(ALICE), filmer(room)
    while camera.sequence < 66_500:
        eyes.see(camera.frames(UNITS))
    seen = len(eyes.units)
    camera.sequence -= 1_000
    for _ in range(3):
        eyes.see(camera.frames(UNITS))
    assert eyes.totals.restarts == 1
    assert eyes.units[-40:] == PLAIN
    assert len(eyes.units) > seen + 80


def test_wanted_numbers_are_few_to_a_packet(room):
    eyes, camera = Eyes(room).watch(ALICE), filmer(room)
    frames = camera.frames(UNITS)
    eyes.see(frames[:1])
    packets = [packet for frame in frames[1:] for packet in frame]
    for packet in packets[300:310]:
        eyes.feed(packet)
    assert [len(nack.sequences) for nack in eyes.seen.of(rtcp.Nack)] == [253, 47]


# --- rubbish ---


def test_a_picture_of_eight_mebibytes_and_one_of_ten_thousand_units_cost_a_picture_each():
    eyes, camera = Eyes(clear=True).watch(ALICE), Filmer(max_payload=1_400)
    eyes.see(camera.frames(UNITS[:3]))
    eyes.see([camera.frame(b"\0\0\0\1\x41" + b"x" * (8 * 1024 * 1024 + 1))])
    eyes.see([camera.packets([b"\x41"] * (MOST_NALS + 1))])
    assert eyes.totals.frames_oversize == 2
    eyes.see(camera.frames(UNITS[3:]))
    assert eyes.units == PLAIN[:3] + PLAIN[20:]


def test_fragments_without_a_start_cost_a_picture():
    eyes, camera = Eyes(clear=True).watch(ALICE), Filmer()
    eyes.see(camera.frames(UNITS[:3]))
    eyes.see([camera.packets([b"\x7c\x05x", b"\x7c\x45y"])])
    eyes.see(camera.frames(UNITS[3:]))
    assert eyes.units == PLAIN[:3] + PLAIN[20:]
    assert eyes.totals.frames_incomplete == 1


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_random_and_cut_packets_between_real_ones_never_raise_and_the_stream_goes_on(seed):
    rng = random.Random(seed)
    eyes, camera = Eyes(clear=True).watch(ALICE), Filmer()
    for unit in UNITS[:20]:
        datagrams = camera.frame(unit)
        for datagram in datagrams:
            match rng.randrange(6):
                case 0:
                    eyes.feed(datagram[: rng.randrange(len(datagram))])
                case 1:
                    for packet in camera.packets([rng.randbytes(rng.randrange(1, 60))], marker=rng.random() < 0.5):
                        eyes.feed(packet)
                case 2:
                    spoilt = bytearray(datagram)
                    spoilt[rng.randrange(len(spoilt))] ^= 1 << rng.randrange(8)
                    eyes.feed(bytes(spoilt))
                case _:
                    eyes.feed(datagram)
        eyes.wait(0.03)
    eyes.wait(0.5)
    eyes.see(camera.frames(UNITS[20:]))
    assert eyes.units[-20:] == PLAIN[20:]


def test_probes_and_rubbish_on_the_repair_stream_are_counted():
    eyes, camera = Eyes(clear=True).watch(ALICE), Filmer()
    eyes.see(camera.frames(UNITS[:3]))
    for payload in (b"", b"\x01", b"\x01\x02", b"\x01\x02junk"):
        header = camera._header(22, 106, 5, 0, marker=False, padding=3)
        eyes.feed(camera._seal(header, payload, 3))
    header = camera._header(77, 106, 5, 0, marker=False, padding=0)
    eyes.feed(camera._seal(header, b"\x01\x02junk", 0))
    assert (eyes.totals.rtx_packets, eyes.totals.bad_packets, eyes.totals.rtx_recovered) == (5, 1, 0)
    eyes.see(camera.frames(UNITS[3:]))
    assert eyes.units == PLAIN
