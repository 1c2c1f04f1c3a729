"""Transport encryption against frozen answers: what was sealed elsewhere opens here, and the other way round.

Examined is what packets of a call go through: `opener` and `sealer`, each cipher by the library that computes it there.
"""

from typing import Final, NamedTuple

from cryptography.hazmat.backends.openssl.backend import backend

from clankvox.doctor.finding import Doubtful, Wrong
from clankvox.errors import OpenFailed
from clankvox.wire.transport_crypto import TransportMode, available_modes, opener, sealer


class KnownDatagram(NamedTuple):
    """A datagram whose every part is known, in hexadecimal."""

    name: str
    mode: TransportMode
    key: str
    clear: str
    plain: str
    nonce: str
    datagram: str


_COUNTING_KEY: Final = bytes(range(32)).hex()
_RTP: Final = "90780001000003c00000002abede0001"
"""Payload type 120, sequence 1, timestamp 960, SSRC 42, and one word of extension, which is encrypted."""

DATAGRAMS: Final = (
    KnownDatagram(
        "gcm_rtp_with_extension",
        TransportMode.AES256_GCM,
        _COUNTING_KEY,
        _RTP,
        "51000000f8fffe",
        "00000007",
        _RTP + "0ee7d48182d7dde17ab8fc18a15bda3207834f523d388a00000007",
    ),
    KnownDatagram(
        "xchacha_rtp_with_extension",
        TransportMode.XCHACHA20,
        _COUNTING_KEY,
        _RTP,
        "51000000f8fffe",
        "00000007",
        _RTP + "e7b75d37803d570c74022cb11b7a7802a7af66b120b07c00000007",
    ),
    KnownDatagram(
        "gcm_rtcp_captured_from_a_desktop_client",
        TransportMode.AES256_GCM,
        "4405dfc5d83d86c231d3313a59cef41d6b780641acf007c9af841dc616b278a2",
        "80c800060005ec18",
        "e957a59b69374bc60a5b61d000005b8e001e661b81ca00020005ec1801000000",
        "5a000080",
        "80c800060005ec188af5b6fb63a15a19f519ab9b502e933c6ae101ae685f5e7f42b4fab783bb0eeda73e70e994cbaea0fdb0652f91a52d69"
        "5a000080",
    ),
)


def transport_encryption() -> str:
    """Open and seal every known datagram, and refuse each with one bit changed."""
    for known in DATAGRAMS:
        _check(known)
    modes = available_modes()
    if TransportMode.AES256_GCM not in modes:
        raise Doubtful(
            "xchacha20 only: libsodium finds no AES instructions in this CPU, without which AES costs too much",
            "Nothing: calls work with the other of Discord's two encryptions.",
        )
    return f"{len(DATAGRAMS)} known datagrams open and seal (aes256_gcm by {_openssl()}, xchacha20 by libsodium)"


def _openssl() -> str:
    """Name the OpenSSL that cryptography brings: another one than the interpreter's, which does TLS."""
    return " ".join(backend.openssl_version_text().split()[:2])


def _check(known: KnownDatagram) -> None:
    key, clear, plain, nonce, datagram = map(bytes.fromhex, known[2:])
    opens, seals = opener(known.mode, key), sealer(known.mode, key)
    if opens(datagram, len(clear)) != plain:
        raise Wrong(f"{known.name} opens to something else")
    if seals(clear, plain, nonce) != datagram:
        raise Wrong(f"{known.name} seals to something else")
    for place in (0, len(clear), len(datagram) - 5):  # prefix, ciphertext, tag
        forged = bytearray(datagram)
        forged[place] ^= 1
        try:
            opens(bytes(forged), len(clear))
        except OpenFailed:
            continue
        raise Wrong(f"{known.name} opens although byte {place} was changed")
