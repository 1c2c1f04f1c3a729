import pytest

from clankvox.errors import OpenFailed
from clankvox.media.frame_cipher import FrameCipher, FrameRejected, Gate, RejectReason
from clankvox.media.sender_binding import SenderBinding, SweepBudget
from tests.support.hearing import ALICE, BOB, CAROL

SILENCE = b"\xf8\xff\xfe"
CLEAR = b"\xfcspeech"


def sealed(user, size=20):
    return user.to_bytes(8) + bytes(size - 12) + b"\x01\x0c\xfa\xfa"


class Engine:
    ready = True
    members = frozenset({ALICE, BOB, CAROL})

    def __init__(self):
        self.tried = []

    def decrypt_audio(self, user_id, frame):
        self.tried.append(user_id)
        if frame != sealed(user_id, len(frame)):
            raise OpenFailed("not theirs")
        return b"opened"

    decrypt_video = decrypt_audio


def made(engine=None):
    cipher, engine = FrameCipher(), engine or Engine()
    cipher.install(engine)
    return SenderBinding(cipher, SweepBudget()), engine, cipher


def user_of(binding, payload, now=0.0, absent=()):
    return binding.open(payload, now, now, absent)[0]


def test_the_proven_user_is_tried_first_then_the_hinted_one():
    binding, engine, _ = made()
    binding.proven, binding.hinted = ALICE, BOB
    assert user_of(binding, sealed(BOB)) == BOB
    assert engine.tried == [ALICE, BOB]
    assert (binding.proven, binding.hinted) == (BOB, BOB)


def test_a_refuted_hint_is_dropped():
    binding, _, _ = made()
    binding.hinted = BOB
    assert user_of(binding, sealed(ALICE)) == ALICE
    assert binding.hinted == ALICE


def test_all_members_are_tried_at_most_four_times_a_second():
    binding, engine, _ = made()
    for n in range(50):
        with pytest.raises(FrameRejected):
            user_of(binding, sealed(99), now=n * 0.02)
    assert engine.tried.count(CAROL) == 4


def test_a_role_tries_all_members_at_most_twenty_times_a_second():
    cipher, engine, budget = FrameCipher(), Engine(), SweepBudget()
    cipher.install(engine)
    bindings = [SenderBinding(cipher, budget) for _ in range(100)]
    for n in range(1_000):
        with pytest.raises(FrameRejected):
            user_of(bindings[n % 100], sealed(99), now=n * 0.001)
    assert engine.tried.count(CAROL) <= 20


def test_who_has_left_is_not_found_by_trying():
    binding, _, _ = made()
    with pytest.raises(FrameRejected):
        user_of(binding, sealed(ALICE), absent={ALICE})


def test_silence_binds_nobody_and_stays_with_the_proven_user():
    binding, _, _ = made()
    assert user_of(binding, SILENCE) is None
    binding.proven, binding.hinted = ALICE, BOB
    assert user_of(binding, SILENCE) == ALICE
    assert binding.proven == ALICE


def test_in_clear_the_hint_decides():
    binding, _, cipher = made()
    cipher.set_gate(Gate.CLEAR)
    assert user_of(binding, CLEAR) is None
    binding.proven, binding.hinted = ALICE, BOB
    assert user_of(binding, CLEAR) == BOB
    assert binding.proven == ALICE


def test_clear_speech_and_a_missing_group_are_told_apart():
    binding, _, cipher = made()
    with pytest.raises(FrameRejected) as clear:
        user_of(binding, CLEAR)
    cipher.install(None)
    with pytest.raises(FrameRejected) as early:
        user_of(binding, sealed(ALICE))
    assert (clear.value.reason, early.value.reason) == (RejectReason.UNENCRYPTED, RejectReason.NO_GROUP)


def test_who_left_is_forgotten():
    binding, _, _ = made()
    binding.proven = binding.hinted = ALICE
    assert binding.known
    binding.forget(ALICE)
    assert not binding.known


def test_pictures_are_opened_by_the_method_that_is_given():
    _, _, cipher = made()
    binding = SenderBinding(cipher, SweepBudget(), cipher.open_video)
    with pytest.raises(FrameRejected):
        user_of(binding, SILENCE)  # only audio may be silent in clear
    assert user_of(binding, sealed(ALICE)) == ALICE


def test_nobody_waits_for_a_sweep_of_a_group_that_is_gone():
    binding, _, cipher = made()
    for now in (0.0, 0.02):
        with pytest.raises(FrameRejected):
            user_of(binding, sealed(99), now)
    assert binding.sweep_at is not None
    cipher.install(None)
    with pytest.raises(FrameRejected):
        user_of(binding, sealed(99))
    assert binding.sweep_at is None


def test_frames_that_are_tried_at_once_share_one_try_of_all_members_up_to_a_bound():
    binding, engine, _ = made()
    swept = 0
    for _ in range(500):
        with pytest.raises(FrameRejected):
            user_of(binding, sealed(99))
        swept += binding.swept
    assert swept == engine.tried.count(CAROL)
    assert 60 <= swept <= 200


def test_frames_that_are_large_share_fewer_tries_for_each_takes_as_long_as_it_is():
    binding, engine, _ = made()
    for _ in range(50):
        with pytest.raises(FrameRejected):
            user_of(binding, sealed(99, 30_000))
    assert engine.tried.count(CAROL) <= 3


def test_a_picture_that_would_keep_all_others_waiting_is_tried_for_nobody_and_the_next_small_one_finds_its_sender():
    binding, engine, _ = made()
    with pytest.raises(FrameRejected):
        user_of(binding, sealed(CAROL, 8_000_000))
    assert CAROL not in engine.tried
    assert not binding.swept
    assert binding.sweep_at is None, "to wait does not make it smaller"
    assert user_of(binding, sealed(CAROL)) == CAROL


def test_a_frame_for_which_it_is_of_no_use_costs_no_try_of_all_members():
    binding, engine, _ = made()
    with pytest.raises(FrameRejected):
        binding.open(sealed(ALICE), 0.0, 0.0, (), sweep=False)
    assert CAROL not in engine.tried
    assert user_of(binding, sealed(ALICE)) == ALICE
