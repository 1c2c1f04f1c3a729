"""DAVE media frames and their keys, computed without davey: what it says is compared with this.

From the protocol ("Sender Key Derivation", "Payload Format"), for whole frames without clear ranges. Slow and plain.
"""

from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from clankvox.errors import OpenFailed
from clankvox.loopback.mls_codec import u16, u32, vector

KEY_BYTES: Final = 16
_SECRET_BYTES: Final = 32
_TAG_BYTES: Final = 8
_NONCE_ZEROS: Final = bytes(8)
_MARKER: Final = b"\xfa\xfa"


def expand_with_label(secret: bytes, label: str, context: bytes, size: int) -> bytes:
    """ExpandWithLabel of RFC 9420 section 8, with SHA-256."""
    info = u16(size) + vector(b"MLS 1.0 " + label.encode()) + vector(context)
    return HKDFExpand(hashes.SHA256(), size, info).derive(secret)


def sender_key(base: bytes, generation: int) -> bytes:
    """Return the AES-128 key of `generation`, which is the high byte of the nonce."""
    secret = base
    for number in range(generation):
        secret = expand_with_label(secret, "secret", u32(number), _SECRET_BYTES)
    return expand_with_label(secret, "key", u32(generation), KEY_BYTES)


def seal_frame(key: bytes, nonce: int, plain: bytes) -> bytes:
    """Return `plain` as a DAVE frame."""
    encryptor = Cipher(algorithms.AES(key), modes.GCM(_nonce(nonce))).encryptor()
    sealed = encryptor.update(plain) + encryptor.finalize()
    trailer = encryptor.tag[:_TAG_BYTES] + _uleb128(nonce)
    return sealed + trailer + bytes([len(trailer) + 1 + len(_MARKER)]) + _MARKER


def open_frame(base: bytes, frame: bytes) -> bytes:
    """Return what a DAVE frame without clear ranges holds; OpenFailed if it does not authenticate."""
    body_bytes = len(frame) - frame[-3]
    tag = frame[body_bytes : body_bytes + _TAG_BYTES]
    nonce = _read_uleb128(frame[body_bytes + _TAG_BYTES : -3])
    mode = modes.GCM(_nonce(nonce), tag, min_tag_length=_TAG_BYTES)
    decryptor = Cipher(algorithms.AES(sender_key(base, nonce >> 24)), mode).decryptor()
    try:
        return decryptor.update(frame[:body_bytes]) + decryptor.finalize()
    except InvalidTag:
        raise OpenFailed("the frame does not authenticate") from None


def _nonce(nonce: int) -> bytes:
    return _NONCE_ZEROS + nonce.to_bytes(4, "little")


def _uleb128(value: int) -> bytes:
    groups = [value & 0x7F]
    while value := value >> 7:
        groups.append(value & 0x7F)
    return bytes([*(group | 0x80 for group in groups[:-1]), groups[-1]])


def _read_uleb128(data: bytes) -> int:
    return sum((byte & 0x7F) << (7 * place) for place, byte in enumerate(data))
