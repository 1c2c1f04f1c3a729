"""A member of an MLS group, computed without davey: it is added, reads its welcome, and knows everybody's sender key.

RFC 9420 (MLS) with cipher suite 2 and RFC 9180 (HPKE) in base mode, as far as a member needs who is welcomed once and
commits nothing.
"""

import hashlib
import hmac
from typing import Final

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from clankvox.doctor.finding import Wrong
from clankvox.doctor.own_frames import KEY_BYTES, expand_with_label
from clankvox.ids import UserId
from clankvox.loopback.mls import CIPHER_SUITE, MLS_VERSION, labelled_content, ref_hash
from clankvox.loopback.mls_codec import Reader, u16, u64, vector

_EXPORT_LABEL: Final = "Discord Secure Frames v0"
_HASH_BYTES: Final = 32
_KEM: Final = b"KEM" + u16(0x0010)
_HPKE: Final = b"HPKE" + u16(0x0010) + u16(0x0001) + u16(0x0001)
"""DHKEM(P-256, HKDF-SHA256), HKDF-SHA256, AES-128-GCM (RFC 9180 section 7)."""
_CAPABILITIES: Final = vector(u16(MLS_VERSION)) + vector(u16(CIPHER_SUITE)) + vector(b"") * 2 + vector(u16(1))
_NO_EXTENSIONS: Final = vector(b"")
_FOR_EVER: Final = u64(0) + u64((1 << 64) - 1)


class OwnMember:
    """One user in one group."""

    def __init__(self, user_id: UserId) -> None:
        """Make fresh keys."""
        self._init_key, self._leaf_key, self._signature_key = (
            ec.generate_private_key(ec.SECP256R1()) for _ in range(3)
        )
        self.key_package = self._make_key_package(user_id)
        """The payload of op 26."""
        self._exporter_secret = b""

    def join(self, welcome: bytes) -> None:
        """Read a Welcome (op 30 after the transition id). Raises Wrong, or WireError for what is malformed."""
        reader = Reader(welcome)
        reader.expect(2, CIPHER_SUITE, "welcome cipher suite")
        entries = Reader(reader.vector())
        group_info = reader.vector()
        joiner_secret = self._joiner_secret(entries, group_info)
        member_secret = _extract(joiner_secret, bytes(_HASH_BYTES))  # no pre-shared keys: zeros
        welcome_secret = _derive(member_secret, "welcome")
        key = expand_with_label(welcome_secret, "key", b"", KEY_BYTES)
        nonce = expand_with_label(welcome_secret, "nonce", b"", 12)
        self._enter_epoch(member_secret, AESGCM(key).decrypt(nonce, group_info, b""))

    def sender_base(self, user_id: UserId) -> bytes:
        """Return the secret that the media keys of `user_id` come from: the exporter's context is little-endian."""
        context = hashlib.sha256(user_id.to_bytes(8, "little")).digest()
        return expand_with_label(_derive(self._exporter_secret, _EXPORT_LABEL), "exported", context, KEY_BYTES)

    def _make_key_package(self, user_id: UserId) -> bytes:
        leaf = vector(_point(self._leaf_key)) + vector(_point(self._signature_key))
        leaf += u16(1) + vector(u64(user_id)) + _CAPABILITIES + b"\x01" + _FOR_EVER + _NO_EXTENSIONS
        leaf += self._signed("LeafNodeTBS", leaf)
        package = u16(MLS_VERSION) + u16(CIPHER_SUITE) + vector(_point(self._init_key)) + leaf + _NO_EXTENSIONS
        return package + self._signed("KeyPackageTBS", package)

    def _signed(self, label: str, content: bytes) -> bytes:
        return vector(self._signature_key.sign(labelled_content(label, content), ec.ECDSA(hashes.SHA256())))

    def _joiner_secret(self, entries: Reader, group_info: bytes) -> bytes:
        """Open what the welcome has for our key package (RFC 9420 section 12.4.3.1)."""
        ours = ref_hash("KeyPackage Reference", self.key_package)
        while not entries.exhausted:
            ref, kem_output, ciphertext = entries.vector(), entries.vector(), entries.vector()
            if ref == ours:
                info = vector(b"MLS 1.0 Welcome") + vector(group_info)
                return Reader(_hpke_open(self._init_key, kem_output, info, ciphertext)).vector()
        raise Wrong("the welcome has nothing for us")

    def _enter_epoch(self, member_secret: bytes, group_info: bytes) -> None:
        """Derive the epoch's secrets and compare the confirmation tag (RFC 9420 sections 8 and 8.1)."""
        reader = Reader(group_info)
        reader.expect(2, MLS_VERSION, "group version")
        reader.expect(2, CIPHER_SUITE, "group cipher suite")
        reader.vector()  # group id
        reader.uint(8)  # epoch
        reader.vector()  # tree hash
        transcript_hash = reader.vector()
        reader.vector()  # extensions of the group
        context = reader.since(0)
        reader.vector()  # extensions of the info: the tree
        confirmation_tag = reader.vector()
        epoch_secret = expand_with_label(member_secret, "epoch", context, _HASH_BYTES)
        expected = hmac.digest(_derive(epoch_secret, "confirm"), transcript_hash, "sha256")
        if expected != confirmation_tag:
            raise Wrong("the group confirms another epoch than we computed")
        self._exporter_secret = _derive(epoch_secret, "exporter")


def _derive(secret: bytes, label: str) -> bytes:
    return expand_with_label(secret, label, b"", _HASH_BYTES)


def _extract(salt: bytes, material: bytes) -> bytes:
    """HKDF-Extract (RFC 5869)."""
    return hmac.digest(salt, material, "sha256")


def _point(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)


def _hpke_open(key: ec.EllipticCurvePrivateKey, kem_output: bytes, info: bytes, ciphertext: bytes) -> bytes:
    """Open one message in base mode without additional data (RFC 9180 sections 4.1, 5.1 and 5.2)."""
    theirs = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), kem_output)
    shared_point = key.exchange(ec.ECDH(), theirs)
    prk = _labelled_extract(_KEM, b"", b"eae_prk", shared_point)
    shared = _labelled_expand(_KEM, prk, b"shared_secret", kem_output + _point(key), _HASH_BYTES)
    context = b"\x00" + _labelled_extract(_HPKE, b"", b"psk_id_hash", b"")
    context += _labelled_extract(_HPKE, b"", b"info_hash", info)
    secret = _labelled_extract(_HPKE, shared, b"secret", b"")
    sealing_key = _labelled_expand(_HPKE, secret, b"key", context, KEY_BYTES)
    nonce = _labelled_expand(_HPKE, secret, b"base_nonce", context, 12)
    return AESGCM(sealing_key).decrypt(nonce, ciphertext, b"")


def _labelled_extract(suite: bytes, salt: bytes, label: bytes, material: bytes) -> bytes:
    return _extract(salt or bytes(_HASH_BYTES), b"HPKE-v1" + suite + label + material)


def _labelled_expand(suite: bytes, prk: bytes, label: bytes, info: bytes, size: int) -> bytes:
    return HKDFExpand(hashes.SHA256(), size, u16(size) + b"HPKE-v1" + suite + label + info).derive(prk)
