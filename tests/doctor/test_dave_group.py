"""A group is made and judged; what a broken library would do is found."""

import pytest

from clankvox.doctor import dave_group
from clankvox.doctor.finding import Wrong
from clankvox.doctor.own_member import OwnMember
from clankvox.errors import OpenFailed
from clankvox.media.mls_engine import DaveyEngine


def by_hand(data):
    """The displayable code as the protocol writes it: five bytes, big-endian, modulo 100,000."""
    groups = [int.from_bytes(data[start : start + 5], "big") % 100_000 for start in range(0, 30, 5)]
    return "".join(f"{group:05}" for group in groups)


def test_all_is_well_here():
    assert "a group of three" in dave_group.dave()


def test_the_frozen_code_is_what_the_protocol_says():
    assert by_hand(dave_group.CODE_INPUT) == dave_group.CODE


def test_another_code_is_wrong(monkeypatch):
    monkeypatch.setattr(dave_group, "CODE", "1" * 30)
    with pytest.raises(Wrong, match="code"):
        dave_group.dave()


@pytest.mark.parametrize(
    ("method", "broken", "what"),
    [
        ("encrypt_opus", lambda _self, frame: frame, "not one"),
        ("decrypt_audio", lambda _self, _user, _frame: b"\xfcx", "come through"),
        ("decrypt_video", lambda _self, _user, _frame: b"x", "picture"),
    ],
)
def test_a_library_that_does_something_else_is_wrong(monkeypatch, method, broken, what):
    monkeypatch.setattr(DaveyEngine, method, broken)
    with pytest.raises(Wrong, match=what):
        dave_group.dave()


def test_a_library_that_opens_everything_is_wrong(monkeypatch):
    monkeypatch.setattr(DaveyEngine, "decrypt_audio", lambda _self, _user, _frame: dave_group._OPUS)
    with pytest.raises(Wrong, match="must not"):
        dave_group.dave()


def test_a_group_that_does_not_come_into_being_is_wrong(monkeypatch):
    monkeypatch.setattr(DaveyEngine, "process_welcome", lambda _self, _welcome: None)
    with pytest.raises(Wrong, match="no group"):
        dave_group.dave()


@pytest.mark.parametrize(
    ("name", "value", "what"),
    [
        ("KNOWN_BASE", bytes(16), "other keys"),
        ("KNOWN_NONCE", 301, "seals to something else"),
        ("KNOWN_PLAIN", b"\xfcother", "seals to something else"),
    ],
)
def test_other_answers_than_the_known_ones_are_wrong(monkeypatch, name, value, what):
    monkeypatch.setattr(dave_group, name, value)
    with pytest.raises(Wrong, match=what):
        dave_group.dave()


def test_a_library_that_seals_by_other_keys_is_wrong(monkeypatch):
    """Both ends of it agree, so that only a member apart from it can tell."""
    keep = OwnMember.sender_base
    monkeypatch.setattr(OwnMember, "sender_base", lambda self, user: keep(self, user + 1))
    with pytest.raises(OpenFailed):
        dave_group.dave()


def test_a_third_member_who_is_not_added_is_wrong(monkeypatch):
    whole = DaveyEngine.members.fget
    monkeypatch.setattr(DaveyEngine, "members", property(lambda self: whole(self) - {dave_group._OWN}))
    with pytest.raises(Wrong, match="not added"):
        dave_group.dave()
