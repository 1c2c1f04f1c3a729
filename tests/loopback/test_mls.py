import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from clankvox.errors import WireError
from clankvox.loopback.external_sender import ExternalSender
from clankvox.loopback.member import DaveMember
from clankvox.loopback.mls import (
    labelled_content,
    parse_key_package,
    parse_welcome,
    ref_hash,
    split_commit_welcome,
)
from clankvox.loopback.mls_codec import u16, u32, u64, vector
from clankvox.loopback.mls_group import GroupView
from clankvox.wire.gateway_ops import Op

USER, PEER, CHANNEL = 0x1122334455667788, 200, 500
_KEY = ec.generate_private_key(ec.SECP256R1())
_POINT = _KEY.public_key().public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)

LIFETIME = b"\x01" + u64(0) + u64(2**64 - 1)


def sign(label, content):
    return vector(_KEY.sign(labelled_content(label, content), ec.ECDSA(hashes.SHA256())))


def hand_made_package(
    version=1, suite=2, identity=None, capabilities=None, source=LIFETIME,
    leaf_extensions=b"", extensions=b"", credential=1,
):  # fmt: skip
    if identity is None:
        identity = u64(USER)
    if capabilities is None:
        capabilities = vector(u16(1)) + vector(u16(2)) + vector(b"") + vector(b"") + vector(u16(1))
    leaf = vector(_POINT) + vector(_POINT) + u16(credential) + vector(identity) + capabilities
    leaf += source + vector(leaf_extensions)
    package = u16(version) + u16(suite) + vector(_POINT) + leaf + sign("LeafNodeTBS", leaf)
    package += vector(extensions)
    return package + sign("KeyPackageTBS", package)


def genuine_commit():
    """Op 28 of the first commit in a group of two, and the package it adds."""
    members = [DaveMember(user, CHANNEL) for user in (USER, PEER)]
    sender = ExternalSender(CHANNEL)
    packages = [parse_key_package(member.start(1)[0].payload, member.user_id) for member in members]
    batch = GroupView(CHANNEL, sender).propose(packages, [], [USER, PEER])
    author = members[0]
    author.users_connected([PEER])
    author.receive(Op.MLS_EXTERNAL_SENDER, sender.payload)
    return author.receive(Op.MLS_PROPOSALS, batch.payloads[USER])[0].payload, packages[1]


GENUINE, ADDED = genuine_commit()


@pytest.mark.parametrize("library", ["davey", "libdave"])
@pytest.mark.parametrize("wrapped", [False, True])
def test_key_packages_of_both_libraries_verify_bare_and_wrapped(library, wrapped):
    raw = DaveMember(USER, CHANNEL, library).start(1)[0].payload
    package = parse_key_package(b"\x00\x01\x00\x05" * wrapped + raw, USER)
    assert package.raw == raw
    assert package.leaf.user_id == USER
    assert package.ref == ref_hash("KeyPackage Reference", raw)


def test_a_key_package_by_hand_verifies():
    assert parse_key_package(hand_made_package(), USER).leaf.signature_key == _POINT


def caps(versions=b"\x00\x01", suites=b"\x00\x02", credentials=b"\x00\x01"):
    return vector(versions) + vector(suites) + vector(b"") + vector(b"") + vector(credentials)


@pytest.mark.parametrize(
    "flaw",
    [
        {"version": 2},
        {"suite": 1},
        {"identity": u64(USER + 1)},
        {"identity": u32(7)},
        {"credential": 2},
        {"capabilities": caps(versions=u16(2))},
        {"capabilities": caps(suites=u16(1))},
        {"capabilities": caps(credentials=u16(2))},
        {"capabilities": caps(versions=b"\x00\x01\x00")},
        {"source": b"\x01" + u64(1) + u64(2**64 - 1)},
        {"source": b"\x01" + u64(0) + u64(2**40)},
        {"source": b"\x02"},
        {"source": b"\x03" + vector(b"")},
        {"leaf_extensions": b"\x00\x05\x00"},
        {"extensions": b"\x00\x05\x00"},
    ],
)
def test_a_well_signed_key_package_with_one_flaw_is_refused(flaw):
    with pytest.raises(WireError):
        parse_key_package(hand_made_package(**flaw), USER)


def test_no_bit_of_a_key_package_can_change():
    raw = hand_made_package()
    for position in range(len(raw)):
        with pytest.raises(WireError):
            parse_key_package(raw[:position] + bytes([raw[position] ^ 1]) + raw[position + 1 :], USER)


def test_a_key_package_of_another_user_is_refused():
    with pytest.raises(WireError):
        parse_key_package(hand_made_package(), USER + 1)


def test_the_welcome_is_found_behind_the_commit():
    commit, welcome = split_commit_welcome(GENUINE)
    assert welcome is not None
    rest = GENUINE[len(commit.raw) :]
    assert rest.startswith(u16(2))
    assert (commit.group_id, commit.epoch, commit.sender_leaf) == (u64(CHANNEL), 0, 0)
    assert list(welcome.secrets) == [ADDED.ref]
    assert welcome.targeted(ADDED.ref) == rest
    assert split_commit_welcome(commit.raw) == (commit, None)


def test_a_targeted_welcome_holds_one_entry_only():
    ref, other = b"r" * 32, b"s" * 32
    entries = [vector(one) + vector(b"kem") + vector(b"ct") for one in (ref, other)]
    welcome = parse_welcome(u16(2) + vector(b"".join(entries)) + vector(b"info"))
    assert welcome.targeted(other) == u16(2) + vector(entries[1]) + vector(b"info")
    with pytest.raises(WireError):
        welcome.targeted(b"t" * 32)


@pytest.mark.parametrize("bad", [u16(1) + vector(b"") + vector(b""), u16(2) + vector(b""), b""])
def test_a_malformed_welcome_is_refused(bad):
    with pytest.raises(WireError):
        parse_welcome(bad)


def test_a_welcome_that_names_a_package_twice_is_refused():
    entry = vector(b"r" * 32) + vector(b"kem") + vector(b"ct")
    with pytest.raises(WireError):
        parse_welcome(u16(2) + vector(entry * 2) + vector(b"info"))


def test_every_prefix_of_op_28_but_the_commit_itself_is_refused():
    whole = len(split_commit_welcome(GENUINE)[0].raw)
    for size in set(range(len(GENUINE))) - {whole}:
        with pytest.raises(WireError):
            split_commit_welcome(GENUINE[:size])


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300), st.integers(0, len(GENUINE)))
def test_only_wire_errors_come_out_of_the_parsers(noise, cut):
    for parse in (
        lambda data: parse_key_package(data, USER),
        split_commit_welcome,
        parse_welcome,
    ):
        for data in (noise, GENUINE[:cut] + noise, b"\x00\x01\x00\x02" + noise):
            try:
                parse(data)
            except WireError:
                continue
