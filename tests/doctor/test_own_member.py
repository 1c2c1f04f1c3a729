"""A member that shares no code with davey or libdave finds the same keys in one group with either."""

import pytest
from cryptography.exceptions import InvalidTag

from clankvox.doctor import own_member
from clankvox.doctor.dave_group import _ME, _OPUS, _OTHER, _OWN, _Pair
from clankvox.doctor.finding import Wrong
from clankvox.doctor.own_frames import open_frame
from clankvox.doctor.own_member import OwnMember
from clankvox.errors import OpenFailed, WireError
from clankvox.ids import UserId
from clankvox.loopback.mls import parse_key_package


@pytest.fixture(params=["davey", "libdave"])
def pair(request):
    return _Pair(request.param)


def test_its_key_package_passes_every_check_of_the_delivery_service():
    assert parse_key_package(OwnMember(_OWN).key_package, _OWN).leaf.user_id == _OWN


def test_it_opens_what_both_libraries_seal(pair):
    own = OwnMember(_OWN)
    pair.add(own, _OWN)
    assert open_frame(own.sender_base(_ME), pair.ours.encrypt_opus(_OPUS)) == _OPUS
    assert open_frame(own.sender_base(_OTHER), pair.other.encrypt_opus(_OPUS)) == _OPUS


def test_a_senders_key_opens_nobody_elses_frames(pair):
    own = OwnMember(_OWN)
    pair.add(own, _OWN)
    with pytest.raises(OpenFailed):
        open_frame(own.sender_base(_OTHER), pair.ours.encrypt_opus(_OPUS))
    with pytest.raises(OpenFailed):
        open_frame(own.sender_base(UserId(1)), pair.ours.encrypt_opus(_OPUS))


class Recorder(OwnMember):
    welcome = b""

    def join(self, welcome):
        self.welcome = welcome
        super().join(welcome)


def test_a_welcome_for_somebody_else_is_no_welcome():
    pair, own = _Pair("davey"), Recorder(_OWN)
    pair.add(own, _OWN)
    with pytest.raises(Wrong, match="nothing for us"):
        OwnMember(_OWN).join(own.welcome)


def test_a_welcome_that_was_changed_does_not_open():
    pair, own = _Pair("davey"), Recorder(_OWN)
    pair.add(own, _OWN)
    with pytest.raises((InvalidTag, WireError)):
        own.join(own.welcome[:-1] + bytes([own.welcome[-1] ^ 1]))


def test_another_epoch_than_the_group_confirms_is_wrong(monkeypatch):
    pair, own = _Pair("davey"), OwnMember(_OWN)
    whole = own_member.expand_with_label

    def other(secret, label, context, size):
        return whole(secret, "other" if label == "epoch" else label, context, size)

    monkeypatch.setattr(own_member, "expand_with_label", other)
    with pytest.raises(Wrong, match="another epoch"):
        pair.add(own, _OWN)
