"""The voice server's part in MLS: a signature key that may propose, but is no member (RFC 9420 section 12.1.8)."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from clankvox.loopback.mls import (
    CONTENT_PROPOSAL,
    MLS_VERSION,
    PROPOSAL_ADD,
    PROPOSAL_REMOVE,
    SENDER_EXTERNAL,
    WIRE_PUBLIC_MESSAGE,
    KeyPackage,
    labelled_content,
    ref_hash,
)
from clankvox.loopback.mls_codec import u16, u32, u64, vector

_IDENTITY: Final = b"\x00\x01\x01\x00"
_CREDENTIAL_BASIC: Final = 1
_APPEND: Final = b"\x00"
_OWN_INDEX: Final = 0
"""Index of our entry in the group's external_senders extension; DAVE has exactly one."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A signed proposal. ECDSA is randomised: one that is built twice has two refs, so build it once."""

    message: bytes
    ref: bytes


class ExternalSender:
    """The P-256 key of one group's lifetime; members compare it byte by byte with what they were sent."""

    def __init__(self, group_id: int) -> None:
        """Make a fresh key for the group of channel `group_id`."""
        self._group_id = vector(u64(group_id))
        self._key = ec.generate_private_key(ec.SECP256R1())
        point = self._key.public_key().public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
        )
        self.payload = vector(point) + u16(_CREDENTIAL_BASIC) + vector(_IDENTITY)
        """The payload of op 25."""

    def rename(self, group_id: int) -> None:
        """Sign for another group from now on: the channel became known only after the key was sent."""
        self._group_id = vector(u64(group_id))

    def add(self, epoch: int, key_package: KeyPackage) -> Proposal:
        """Propose to add the owner of `key_package` to the group as it is in `epoch`."""
        return self._propose(epoch, u16(PROPOSAL_ADD) + key_package.raw)

    def remove(self, epoch: int, leaf: int) -> Proposal:
        """Propose to remove the member at `leaf` from the group as it is in `epoch`."""
        return self._propose(epoch, u16(PROPOSAL_REMOVE) + u32(leaf))

    def _propose(self, epoch: int, proposal: bytes) -> Proposal:
        content = b"".join(
            (
                self._group_id,
                u64(epoch),
                SENDER_EXTERNAL.to_bytes(1, "big") + u32(_OWN_INDEX),
                vector(b""),  # authenticated data
                CONTENT_PROPOSAL.to_bytes(1, "big"),
                proposal,
            )
        )
        # An external sender signs no GroupContext, so group id and epoch are all it has to know (RFC 9420 6.1).
        framed = u16(WIRE_PUBLIC_MESSAGE) + content
        signed = labelled_content("FramedContentTBS", u16(MLS_VERSION) + framed)
        authenticated = framed + vector(self._key.sign(signed, ec.ECDSA(hashes.SHA256())))
        return Proposal(u16(MLS_VERSION) + authenticated, ref_hash("Proposal Reference", authenticated))


def proposals_payload(proposals: Iterable[Proposal]) -> bytes:
    """Payload of op 27 that appends `proposals`."""
    return _APPEND + vector(b"".join(proposal.message for proposal in proposals))
