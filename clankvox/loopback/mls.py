"""The MLS structures that a DAVE delivery service has to read (RFC 9420), and their checks.

The service is no group member: it knows no secrets. It checks what can be checked from outside
and finds the boundaries that it needs to pass messages on. Malformed bytes raise WireError.
"""

import hashlib
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from clankvox.errors import WireError
from clankvox.loopback.mls_codec import Reader, u16, u32, vector

MLS_VERSION: Final = 1
CIPHER_SUITE: Final = 2
"""MLS_128_DHKEMP256_AES128GCM_SHA256_P256, the only suite of DAVE version 1."""

WIRE_PUBLIC_MESSAGE: Final = 1
WIRE_KEY_PACKAGE: Final = 5
SENDER_MEMBER: Final = 1
SENDER_EXTERNAL: Final = 2
CONTENT_PROPOSAL: Final = 2
CONTENT_COMMIT: Final = 3
PROPOSAL_ADD: Final = 1
PROPOSAL_REMOVE: Final = 3

_BY_REFERENCE: Final = 2
_CREDENTIAL_BASIC: Final = 1
_SOURCE_KEY_PACKAGE: Final = 1
_SOURCE_COMMIT: Final = 3
_LIFETIME_END: Final = (1 << 64) - 1
_REF_SIZE: Final = 32


@dataclass(frozen=True, slots=True)
class LeafNode:
    """What the service needs of a leaf: who it is (basic credential, u64 BE user id) and its signature key."""

    user_id: int
    signature_key: bytes
    source: int


@dataclass(frozen=True, slots=True)
class KeyPackage:
    """A verified key package; `raw` is the bare structure and `ref` the id used inside a Welcome."""

    raw: bytes
    ref: bytes
    leaf: LeafNode


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit in a PublicMessage of a member; `raw` is the whole MLSMessage.

    Its signature covers the group context and cannot be checked from outside.
    """

    raw: bytes
    group_id: bytes
    epoch: int
    sender_leaf: int
    proposal_refs: tuple[bytes, ...]
    path_leaf: LeafNode | None


@dataclass(frozen=True, slots=True)
class Welcome:
    """A bare Welcome: one sealed EncryptedGroupSecrets per key package ref, and the sealed GroupInfo."""

    secrets: dict[bytes, bytes]
    encrypted_group_info: bytes

    def targeted(self, ref: bytes) -> bytes:
        """Return the Welcome with only the entry of the key package `ref`, as the DAVE paper describes."""
        entry = self.secrets.get(ref)
        if entry is None:
            raise WireError("welcome has no entry for this key package")
        return u16(CIPHER_SUITE) + vector(entry) + vector(self.encrypted_group_info)


def ref_hash(label: str, value: bytes) -> bytes:
    """RefHash of RFC 9420 section 5.2 (SHA-256, 32 bytes)."""
    return hashlib.sha256(vector(b"MLS 1.0 " + label.encode()) + vector(value)).digest()


def labelled_content(label: str, content: bytes) -> bytes:
    """SignContent of RFC 9420 section 5.1.2: what SignWithLabel signs."""
    return vector(b"MLS 1.0 " + label.encode()) + vector(content)


def verify_with_label(public_key: bytes, label: str, content: bytes, signature: bytes) -> None:
    """Check an ECDSA-P256-SHA256 signature (DER) under an uncompressed point; WireError if it is wrong."""
    try:
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), public_key)
        key.verify(signature, labelled_content(label, content), ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, ValueError) as error:
        raise WireError(f"{label} signature does not verify") from error


def parse_key_package(data: bytes, user_id: int) -> KeyPackage:
    """Parse and verify the key package of `user_id` (DAVE op 26).

    A bare KeyPackage is what every library sends; the MLSMessage form of the DAVE paper is accepted too.
    """
    prefix = u16(MLS_VERSION) + u16(WIRE_KEY_PACKAGE)
    raw = data.removeprefix(prefix)
    reader = Reader(raw)
    reader.expect(2, MLS_VERSION, "key package version")
    reader.expect(2, CIPHER_SUITE, "key package cipher suite")
    reader.vector()  # init key
    leaf = _read_leaf(reader, b"")
    if leaf.source != _SOURCE_KEY_PACKAGE:
        raise WireError("key package leaf has another source")
    if leaf.user_id != user_id:
        raise WireError("key package belongs to another user")
    if reader.vector():
        raise WireError("key package has extensions")
    signed = reader.since(0)
    verify_with_label(leaf.signature_key, "KeyPackageTBS", signed, reader.vector())
    reader.finish()
    return KeyPackage(raw, ref_hash("KeyPackage Reference", raw), leaf)


def split_commit_welcome(data: bytes) -> tuple[Commit, Welcome | None]:
    """Parse DAVE op 28: an MLSMessage with a commit, followed at once by a bare Welcome if it adds anyone.

    The boundary has no length field: it is where the commit's membership tag ends.
    """
    reader = Reader(data)
    commit = _read_commit(reader)
    return commit, None if reader.exhausted else parse_welcome(reader.rest())


def parse_welcome(data: bytes) -> Welcome:
    """Parse a bare Welcome (RFC 9420 section 12.4.3.1)."""
    reader = Reader(data)
    reader.expect(2, CIPHER_SUITE, "welcome cipher suite")
    entries = Reader(reader.vector())
    secrets: dict[bytes, bytes] = {}
    while not entries.exhausted:
        start = entries.position
        ref = entries.vector()
        entries.vector()  # KEM output
        entries.vector()  # ciphertext
        if ref in secrets:
            raise WireError("welcome names a key package twice")
        secrets[ref] = entries.since(start)
    encrypted_group_info = reader.vector()
    reader.finish()
    return Welcome(secrets, encrypted_group_info)


def _read_commit(reader: Reader) -> Commit:
    """Read an MLSMessage(PublicMessage(Commit)) of a member and leave the cursor behind its membership tag."""
    reader.expect(2, MLS_VERSION, "message version")
    reader.expect(2, WIRE_PUBLIC_MESSAGE, "wire format")
    group_id = reader.vector()
    epoch = reader.uint(8)
    reader.expect(1, SENDER_MEMBER, "sender type")
    sender_leaf = reader.uint(4)
    if reader.vector():
        raise WireError("commit has authenticated data")
    reader.expect(1, CONTENT_COMMIT, "content type")
    refs = _read_proposal_refs(reader)
    path_leaf = _read_path(reader, group_id, sender_leaf)
    reader.vector()  # signature
    reader.vector()  # confirmation tag
    reader.vector()  # membership tag
    return Commit(reader.since(0), group_id, epoch, sender_leaf, refs, path_leaf)


def _read_proposal_refs(reader: Reader) -> tuple[bytes, ...]:
    """Read ProposalOrRef<V>; DAVE forbids proposals by value."""
    entries = Reader(reader.vector())
    refs = []
    while not entries.exhausted:
        entries.expect(1, _BY_REFERENCE, "proposal-or-ref type")
        ref = entries.vector()
        if len(ref) != _REF_SIZE:
            raise WireError("proposal reference is not 32 bytes")
        refs.append(ref)
    return tuple(refs)


def _read_path(reader: Reader, group_id: bytes, sender_leaf: int) -> LeafNode | None:
    """Read optional<UpdatePath>; its nodes are of no interest here."""
    present = reader.uint(1)
    if present > 1:
        raise WireError("optional is neither 0 nor 1")
    if not present:
        return None
    leaf = _read_leaf(reader, vector(group_id) + u32(sender_leaf))
    if leaf.source != _SOURCE_COMMIT:
        raise WireError("path leaf has another source")
    reader.vector()  # nodes
    return leaf


def _read_leaf(reader: Reader, signed_context: bytes) -> LeafNode:
    """Read and verify a LeafNode; a leaf of a commit also signs its group id and index (RFC 9420 section 7.2)."""
    start = reader.position
    reader.vector()  # encryption key
    signature_key = reader.vector()
    user_id = _read_identity(reader)
    _read_capabilities(reader)
    source = reader.uint(1)
    if source == _SOURCE_KEY_PACKAGE:
        reader.expect(8, 0, "lifetime start")
        reader.expect(8, _LIFETIME_END, "lifetime end")
    elif source == _SOURCE_COMMIT:
        reader.vector()  # parent hash
    else:
        raise WireError("leaf source is neither key package nor commit")
    if reader.vector():
        raise WireError("leaf has extensions")
    signed = reader.since(start) + signed_context
    verify_with_label(signature_key, "LeafNodeTBS", signed, reader.vector())
    return LeafNode(user_id, signature_key, source)


def _read_identity(reader: Reader) -> int:
    """Read a basic credential; DAVE puts the user id there as a u64."""
    reader.expect(2, _CREDENTIAL_BASIC, "credential type")
    identity = reader.vector()
    if len(identity) != 8:
        raise WireError("credential identity is not a u64")
    return int.from_bytes(identity, "big")


def _read_capabilities(reader: Reader) -> None:
    """Read Capabilities: MLS 1.0, suite 2 and basic credentials have to be among them."""
    versions, suites = reader.uint16_list(), reader.uint16_list()
    reader.uint16_list()  # extensions
    reader.uint16_list()  # proposals
    credentials = reader.uint16_list()
    if MLS_VERSION not in versions or CIPHER_SUITE not in suites or _CREDENTIAL_BASIC not in credentials:
        raise WireError("leaf lacks a capability that DAVE needs")
