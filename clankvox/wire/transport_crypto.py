"""Transport encryption between client and media server: the two `rtpsize` AEAD modes.

A datagram is: clear prefix (the additional data), ciphertext, 16-byte tag, 4-byte nonce. The AEAD nonce is
these 4 bytes followed by zeros; the receiver takes them as they are, and the sender never repeats them under
one key, RTP and RTCP together. A call's AES-GCM is OpenSSL's (`opener`, `sealer`), which expands the key once and not
for every packet; XChaCha20 is libsodium's, and so is the AES-GCM of `seal`, with which the offline Discord answers.
"""

from collections.abc import Callable, Sequence
from enum import StrEnum
from functools import cache
from typing import Final, TypeAlias

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from nacl.bindings import (
    crypto_aead_aes256gcm_encrypt,
    crypto_aead_xchacha20poly1305_ietf_decrypt,
    crypto_aead_xchacha20poly1305_ietf_encrypt,
)
from nacl.exceptions import CryptoError

from clankvox.errors import OpenFailed, WireError

KEY_BYTES: Final = 32
TAG_BYTES: Final = 16
NONCE_BYTES: Final = 4
"""Length of the nonce on the wire, the last bytes of a sealed datagram."""
OVERHEAD_BYTES: Final = TAG_BYTES + NONCE_BYTES


class TransportMode(StrEnum):
    """Encryption modes by their names on the wire, the preferred one first."""

    AES256_GCM = "aead_aes256_gcm_rtpsize"
    XCHACHA20 = "aead_xchacha20_poly1305_rtpsize"


class UnsupportedMode(WireError):
    """The server offers no mode that this machine can compute."""

    code = "unsupported_mode"
    recoverable = False


_Aead = Callable[[bytes, bytes, bytes, bytes], bytes]

_ENCRYPT: Final[dict[TransportMode, _Aead]] = {
    TransportMode.AES256_GCM: crypto_aead_aes256gcm_encrypt,
    TransportMode.XCHACHA20: crypto_aead_xchacha20poly1305_ietf_encrypt,
}
_NONCE_ZEROS: Final[dict[TransportMode, bytes]] = {
    TransportMode.AES256_GCM: bytes(12 - NONCE_BYTES),
    TransportMode.XCHACHA20: bytes(24 - NONCE_BYTES),
}


@cache
def available_modes() -> tuple[TransportMode, ...]:
    """Modes that this machine should compute, preferred first.

    libsodium's AES-GCM works only where the CPU has instructions for it. OpenSSL's works anywhere, but without them
    XChaCha20 takes less, and Discord always offers it.
    """
    try:
        seal(TransportMode.AES256_GCM, bytes(KEY_BYTES), b"", b"", bytes(NONCE_BYTES))
    except CryptoError:
        return (TransportMode.XCHACHA20,)
    return tuple(TransportMode)


def choose_mode(offered: Sequence[str]) -> TransportMode:
    """Pick our most preferred mode out of the server's list; UnsupportedMode if there is none."""
    for mode in available_modes():
        if mode in offered:
            return mode
    raise UnsupportedMode("the server offers no transport encryption that works here")


def seal(mode: TransportMode, key: bytes, clear: bytes, plaintext: bytes, nonce: bytes) -> bytes:
    """Encrypt `plaintext` under the 32-byte `key`, authenticate `clear` too, and return the whole datagram.

    `nonce` is the 4 bytes that go on the wire.
    """
    return clear + _ENCRYPT[mode](plaintext, clear, nonce + _NONCE_ZEROS[mode], key) + nonce


Opener: TypeAlias = Callable[[bytes, int], bytes]
"""Opens datagrams of one key: returns what follows the first so many bytes, or raises OpenFailed. Any thread."""


Sealer: TypeAlias = Callable[[bytes, bytes, bytes], bytes]
"""Seals under one key: clear prefix, plaintext and the 4-byte nonce become a datagram. Any thread."""


def sealer(mode: TransportMode, key: bytes) -> Sealer:
    """Return what seals like `seal` under the 32-byte `key`, which for AES is expanded once."""
    if mode is not TransportMode.AES256_GCM:
        return lambda clear, plaintext, nonce: seal(mode, key, clear, plaintext, nonce)
    encrypt, zeros = AESGCM(key).encrypt, _NONCE_ZEROS[mode]
    return lambda clear, plaintext, nonce: clear + encrypt(nonce + zeros, plaintext, clear) + nonce


def opener(mode: TransportMode, key: bytes) -> Opener:
    """Return what opens datagrams under the 32-byte `key`."""
    return _gcm_opener(key) if mode is TransportMode.AES256_GCM else _xchacha_opener(key)


def open_sealed(mode: TransportMode, key: bytes, datagram: bytes, clear_bytes: int) -> bytes:
    """Return the plaintext of one datagram; see `opener`, which is faster for many."""
    return opener(mode, key)(datagram, clear_bytes)


def _gcm_opener(key: bytes) -> Opener:
    decrypt, zeros = AESGCM(key).decrypt, _NONCE_ZEROS[TransportMode.AES256_GCM]

    def open_one(datagram: bytes, clear_bytes: int) -> bytes:
        if len(datagram) < clear_bytes + OVERHEAD_BYTES:
            raise OpenFailed("sealed packet without room for tag and nonce")
        try:
            return decrypt(datagram[-NONCE_BYTES:] + zeros, datagram[clear_bytes:-NONCE_BYTES], datagram[:clear_bytes])
        except InvalidTag as error:
            raise OpenFailed("sealed packet does not authenticate") from error

    return open_one


def _xchacha_opener(key: bytes) -> Opener:
    decrypt, zeros = crypto_aead_xchacha20poly1305_ietf_decrypt, _NONCE_ZEROS[TransportMode.XCHACHA20]

    def open_one(datagram: bytes, clear_bytes: int) -> bytes:
        if len(datagram) < clear_bytes + OVERHEAD_BYTES:
            raise OpenFailed("sealed packet without room for tag and nonce")
        nonce = datagram[-NONCE_BYTES:] + zeros
        try:
            return decrypt(datagram[clear_bytes:-NONCE_BYTES], datagram[:clear_bytes], nonce, key)
        except CryptoError as error:
            raise OpenFailed("sealed packet does not authenticate") from error

    return open_one
