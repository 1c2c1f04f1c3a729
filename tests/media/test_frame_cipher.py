"""Fail closed: what may leave, what may come in, and who proves what."""

import threading
import weakref

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clankvox.errors import MlsError
from clankvox.media.frame_cipher import FORMER_S, FrameCipher, FrameRejected, Gate, RejectReason
from clankvox.wire.dave_frame import is_dave_frame
from clankvox.wire.video_codec import VideoCodec
from tests.support.fake_mls import FakeEngine

FRAME = b"\xfcspeech"
SILENCE = b"\xf8\xff\xfe"
NOW = 50.0


def cipher_with_group(gate=Gate.ENCRYPT):
    cipher = FrameCipher()
    cipher.install(FakeEngine(1, 7, 20))
    cipher.mls(lambda engine: engine.process_welcome(b"w"))
    cipher.set_gate(gate)
    return cipher


# --- out ---


@given(
    installed=st.booleans(),
    ready=st.booleans(),
    gate=st.sampled_from(list(Gate)),
    frame=st.binary(min_size=1, max_size=9),
)
@settings(max_examples=200, deadline=None)
def test_a_frame_leaves_in_clear_through_the_clear_gate_only(installed, ready, gate, frame):
    cipher = FrameCipher()
    if installed:
        cipher.install(FakeEngine(1, 7, 20))
    if installed and ready:
        cipher.mls(lambda engine: engine.process_welcome(b"w"))
    cipher.set_gate(gate)
    sealed = cipher.seal_opus(frame)
    if gate is Gate.CLEAR:
        assert sealed == frame
    elif gate is Gate.ENCRYPT and installed and ready:
        assert sealed == SILENCE if frame == SILENCE else is_dave_frame(sealed)
    else:
        assert sealed is None


@given(installed=st.booleans(), ready=st.booleans(), gate=st.sampled_from(list(Gate)))
def test_a_picture_leaves_in_clear_through_the_clear_gate_only(installed, ready, gate):
    cipher = FrameCipher()
    if installed:
        cipher.install(FakeEngine(1, 7, 20))
    if installed and ready:
        cipher.mls(lambda engine: engine.process_welcome(b"w"))
    cipher.set_gate(gate)
    sealed = cipher.seal_video(FRAME, VideoCodec.H264)
    if gate is Gate.CLEAR:
        assert sealed == FRAME
    elif gate is Gate.ENCRYPT and installed and ready:
        assert is_dave_frame(sealed)
    else:
        assert sealed is None


def test_the_gate_is_closed_at_first_and_by_every_new_session():
    cipher = cipher_with_group()
    assert FrameCipher().gate is Gate.CLOSED
    cipher.install(FakeEngine(1, 7, 20))
    assert cipher.gate is Gate.CLOSED
    assert cipher.seal_opus(FRAME) is None


def test_a_failing_encryption_is_counted_and_nothing_leaves(monkeypatch):
    cipher = cipher_with_group()
    monkeypatch.setattr(FakeEngine, "refuse_encrypt", True)
    with pytest.raises(MlsError):
        cipher.seal_opus(FRAME)
    assert (cipher.seal_failures, cipher.sealed_frames) == (1, 0)


def test_everything_that_makes_a_sealed_packet_stale_grows_the_generation():
    cipher = cipher_with_group()
    seen = [cipher.generation]
    for change in (
        lambda: cipher.set_gate(Gate.CLOSED),
        lambda: cipher.set_gate(Gate.ENCRYPT),
        lambda: cipher.mls(lambda engine: engine.process_commit(b"c")),
        lambda: cipher.install(None),
    ):
        change()
        seen.append(cipher.generation)
    assert seen == sorted(set(seen))


def test_the_same_gate_again_makes_nothing_stale():
    cipher = cipher_with_group()
    before = cipher.generation
    cipher.set_gate(Gate.ENCRYPT)
    assert cipher.generation == before


# --- in ---


def reason(cipher, frame, now=NOW):
    with pytest.raises(FrameRejected) as rejected:
        cipher.open_audio(42, frame, now)
    return rejected.value


def test_only_an_encrypted_frame_proves_its_sender():
    cipher = cipher_with_group()
    sealed = cipher.seal_opus(FRAME)
    assert cipher.open_audio(42, sealed, NOW) == (FRAME, True)
    assert cipher.open_audio(42, SILENCE, NOW) == (SILENCE, False)


def test_a_clear_frame_is_refused_for_good_while_encryption_is_on():
    rejected = reason(cipher_with_group(), FRAME)
    assert (rejected.reason, rejected.may_open_later) == (RejectReason.UNENCRYPTED, False)


def test_a_clear_frame_is_refused_before_anything_was_negotiated():
    assert reason(FrameCipher(), FRAME).reason is RejectReason.UNENCRYPTED


def test_clear_frames_pass_in_version_zero_and_in_a_window():
    cipher = cipher_with_group(Gate.CLEAR)
    assert cipher.open_audio(42, FRAME, NOW) == (FRAME, False)
    cipher.set_gate(Gate.ENCRYPT)
    cipher.accept_clear_until(NOW + 1.0)
    assert cipher.open_audio(42, FRAME, NOW) == (FRAME, False)
    assert reason(cipher, FRAME, NOW + 1.0).reason is RejectReason.UNENCRYPTED


def test_a_new_session_closes_the_window():
    cipher = cipher_with_group()
    cipher.accept_clear_until(NOW + 100.0)
    cipher.install(FakeEngine(1, 7, 20))
    assert reason(cipher, FRAME).reason is RejectReason.UNENCRYPTED


def test_others_are_heard_in_clear_while_the_session_of_an_upgrade_is_made():
    cipher = cipher_with_group(Gate.CLEAR)
    cipher.install(FakeEngine(1, 7, 20))
    cipher.set_gate(Gate.CLOSED)
    assert cipher.open_audio(42, FRAME, NOW) == (FRAME, False)
    assert cipher.seal_opus(FRAME) is None
    cipher.accept_clear_until(NOW + 1.0)
    assert cipher.open_audio(42, FRAME, NOW) == (FRAME, False)
    assert reason(cipher, FRAME, NOW + 1.0).reason is RejectReason.UNENCRYPTED


def test_nobody_is_heard_in_clear_once_the_connection_of_version_zero_is_gone():
    cipher = cipher_with_group(Gate.CLEAR)
    cipher.install(None)
    cipher.install(FakeEngine(1, 7, 20))
    assert reason(cipher, FRAME).reason is RejectReason.UNENCRYPTED


def test_an_encrypted_frame_without_a_group_or_key_may_open_later():
    sealed = cipher_with_group().seal_opus(FRAME)
    assert reason(FrameCipher(), sealed).reason is RejectReason.NO_GROUP
    forged = b"\xfc" + bytes(8) + b"\x01" + b"\x0c\xfa\xfa"
    rejected = reason(cipher_with_group(), forged)
    assert (rejected.reason, rejected.may_open_later) == (RejectReason.NO_KEY, True)


def test_the_group_before_opens_what_arrived_in_time_and_seals_nothing():
    cipher = cipher_with_group()
    sealed = cipher.seal_opus(FRAME)
    cipher.succeed(FakeEngine(1, 7, 20), NOW)
    cipher.succeed(FakeEngine(1, 7, 20), NOW + 1.0)  # begun anew twice: it had no group to keep
    assert cipher.open_audio(42, sealed, NOW + FORMER_S - 0.01) == (FRAME, True)
    assert cipher.seal_opus(FRAME) is None
    assert (cipher.gate, cipher.group_ready, cipher.members()) == (Gate.ENCRYPT, False, frozenset())
    assert reason(cipher, sealed, NOW + FORMER_S).reason is RejectReason.NO_GROUP
    assert reason(cipher, sealed, NOW).reason is RejectReason.NO_GROUP, "it is gone for good"


def test_the_group_before_a_downgrade_opens_what_is_on_its_way_while_that_of_an_upgrade_is_made():
    cipher = cipher_with_group()
    sealed = cipher.seal_opus(FRAME)
    cipher.set_gate(Gate.CLEAR)
    cipher.install(FakeEngine(1, 7, 20), NOW)
    assert cipher.open_audio(42, sealed, NOW + 1.0) == (FRAME, True)
    assert (cipher.gate, cipher.seal_opus(FRAME)) == (Gate.CLOSED, None)


def test_the_keys_of_the_group_before_go_in_time_although_nothing_asks_for_them():
    cipher = FrameCipher()
    engine = FakeEngine(1, 7, 20)
    cipher.install(engine)
    cipher.mls(lambda engine: engine.process_welcome(b"w"))
    gone = weakref.ref(engine)
    cipher.succeed(FakeEngine(1, 7, 20), NOW)
    cipher.mls(lambda engine: engine.process_welcome(b"w"))
    cipher.set_gate(Gate.ENCRYPT)
    del engine
    assert gone() is not None
    assert cipher.open_audio(42, cipher.seal_opus(FRAME), NOW + FORMER_S) == (FRAME, True)
    assert gone() is None


def test_the_group_before_goes_with_its_connection():
    cipher = cipher_with_group()
    sealed = cipher.seal_opus(FRAME)
    cipher.succeed(FakeEngine(1, 7, 20), NOW)
    cipher.install(None)
    assert reason(cipher, sealed).reason is RejectReason.NO_GROUP


def test_nothing_changes_while_frames_are_opened_in_their_order():
    cipher = cipher_with_group()
    changed = threading.Thread(target=cipher.succeed, args=(FakeEngine(1, 7, 20), NOW))
    with cipher.unchanged():
        before = cipher.generation
        changed.start()
        changed.join(0.05)
        assert (cipher.generation, changed.is_alive()) == (before, True)
    changed.join(5.0)
    assert cipher.generation == before + 1


def test_pictures_in_clear_pass_in_version_zero_and_in_a_window_only():
    cipher = cipher_with_group()
    sealed = cipher.seal_video(FRAME, VideoCodec.VP8)
    assert cipher.open_video(42, sealed, NOW) == (FRAME, True)
    for clear in (FRAME, SILENCE):
        with pytest.raises(FrameRejected):
            cipher.open_video(42, clear, NOW)
    cipher.accept_clear_until(NOW + 1.0)
    assert cipher.open_video(42, FRAME, NOW) == (FRAME, False)
    assert cipher_with_group(Gate.CLEAR).open_video(42, FRAME, NOW) == (FRAME, False)


# --- the group ---


def test_mls_calls_need_a_session():
    with pytest.raises(MlsError):
        FrameCipher().mls(lambda engine: engine.key_package())
    assert FrameCipher().members() == frozenset()


def test_members_and_readiness_are_the_engines():
    cipher = cipher_with_group()
    assert (cipher.members(), cipher.group_ready) == ({7}, True)


def test_every_change_wakes_whoever_waits_for_a_key_outside_the_lock():
    woken = []
    cipher = FrameCipher(lambda: woken.append(cipher.group_ready))  # would hang under the lock
    cipher.install(FakeEngine(1, 7, 20))
    cipher.mls(lambda engine: engine.process_welcome(b"w"))
    cipher.set_gate(Gate.ENCRYPT)
    assert woken[-1]
    assert len(woken) >= 3


def test_mls_calls_and_frames_never_overlap():
    inside, overlaps = [], []

    class Watching(FakeEngine):
        def encrypt_opus(self, frame):
            if inside:
                overlaps.append(frame)
            return super().encrypt_opus(frame)

    cipher = FrameCipher()
    cipher.install(Watching(1, 7, 20))
    cipher.mls(lambda engine: engine.process_welcome(b"w"))
    cipher.set_gate(Gate.ENCRYPT)

    def call(engine):
        inside.append(1)
        engine.process_commit(b"c")
        inside.pop()

    sender = threading.Thread(target=lambda: [cipher.seal_opus(FRAME) for _ in range(2_000)])
    sender.start()
    for _ in range(500):
        cipher.mls(call)
    sender.join()
    assert overlaps == []
