"""An MLS group as the voice server sees it: epoch, who sits at which leaf, and the batch of proposals in flight."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from clankvox.errors import WireError
from clankvox.loopback.external_sender import ExternalSender, Proposal, proposals_payload
from clankvox.loopback.mls import Commit, KeyPackage, LeafNode, Welcome, split_commit_welcome
from clankvox.loopback.mls_codec import u64

_CREATOR_LEAF: Final = 0


@dataclass(frozen=True, slots=True)
class Batch:
    """What one commit has to contain, all of it; one batch an epoch, for clients lose the Welcome of a second."""

    adds: Mapping[bytes, KeyPackage]
    removes: Mapping[bytes, int]
    payloads: Mapping[int, bytes]
    """User id to its op 27 payload; the users are the possible authors of the commit."""
    initial: bool

    def expected_refs(self, author: int) -> frozenset[bytes]:
        """Refs that a commit of `author` has to have; no one adds itself."""
        own = {ref for ref, package in self.adds.items() if self.initial and package.leaf.user_id == author}
        return frozenset(self.adds.keys() | self.removes.keys()) - own

    def package_of(self, user_id: int) -> KeyPackage | None:
        """Return the key package with which the batch adds `user_id`."""
        return next((package for package in self.adds.values() if package.leaf.user_id == user_id), None)


@dataclass(frozen=True, slots=True)
class Added:
    """A user that a commit added: its key package, its leaf, and the Welcome for it alone."""

    package: KeyPackage
    leaf: int
    welcome: bytes


@dataclass(slots=True)
class GroupView:
    """Group id, epoch and leaves; `established` from the first commit on."""

    group_id: int
    sender: ExternalSender
    epoch: int = 0
    leaves: dict[int, LeafNode] = field(default_factory=dict)

    @property
    def established(self) -> bool:
        """Whether a first commit was accepted."""
        return self.epoch > 0

    def forget(self) -> None:
        """Return to epoch 0, where every client has a private group of its own."""
        self.epoch = 0
        self.leaves = {}

    def propose(self, adds: Collection[KeyPackage], removes: Iterable[int], authors: Iterable[int]) -> Batch:
        """Sign the proposals of the present epoch, each once; in an initial group no author gets its own Add."""
        add_by_user = {package.leaf.user_id: self.sender.add(self.epoch, package) for package in adds}
        remove_by_leaf = {leaf: self.sender.remove(self.epoch, leaf) for leaf in removes}
        payloads = {
            author: proposals_payload([*remove_by_leaf.values(), *_without(add_by_user, author)]) for author in authors
        }
        return Batch(
            adds={add_by_user[package.leaf.user_id].ref: package for package in adds},
            removes={proposal.ref: leaf for leaf, proposal in remove_by_leaf.items()},
            payloads=payloads,
            initial=not self.established,
        )

    def accept(self, batch: Batch, author: int, data: bytes) -> tuple[bytes, list[Added]]:
        """Enter the epoch of `author`'s commit (op 28) if it carries out `batch`; WireError changes nothing.

        Returns the commit as sent and whom it added. Removes free their leaves first, then each Add, in the
        order of the commit, takes the lowest free leaf (RFC 9420 section 7.7 and 12.4.2).
        """
        commit, welcome = split_commit_welcome(data)
        self._check_header(batch, author, commit)
        refs = frozenset(commit.proposal_refs)
        if len(refs) != len(commit.proposal_refs) or refs != batch.expected_refs(author):
            raise WireError("commit does not hold exactly the proposals in flight")
        packages = [batch.adds[ref] for ref in commit.proposal_refs if ref in batch.adds]
        _check_welcome(packages, welcome)
        self._check_path(batch, author, commit)
        leaves = self._leaves_before(batch, author)
        added = []
        for package in packages:
            leaf = _lowest_free(leaves)
            leaves[leaf] = package.leaf
            added.append(Added(package, leaf, welcome.targeted(package.ref) if welcome else b""))
        self.leaves = leaves
        self.epoch += 1
        return commit.raw, added

    def _check_header(self, batch: Batch, author: int, commit: Commit) -> None:
        if commit.group_id != u64(self.group_id) or commit.epoch != self.epoch:
            raise WireError("commit is for another group or epoch")
        if batch.initial:
            if commit.sender_leaf != _CREATOR_LEAF:
                raise WireError("first commit is not by the creator's leaf")
            return
        leaf = self.leaves.get(commit.sender_leaf)
        if leaf is None or leaf.user_id != author:
            raise WireError("commit is signed for another user's leaf")

    def _check_path(self, batch: Batch, author: int, commit: Commit) -> None:
        """Let a path change the author's encryption key, never who it is; a Remove needs one (RFC 9420 12.4)."""
        path = commit.path_leaf
        if path is None:
            if batch.removes:
                raise WireError("commit removes without a path")
            return
        present = self._leaves_before(batch, author)[commit.sender_leaf]
        if (path.user_id, path.signature_key) != (present.user_id, present.signature_key):
            raise WireError("commit path changes identity or signature key")

    def _leaves_before(self, batch: Batch, author: int) -> dict[int, LeafNode]:
        """Return the leaves with the Removes applied and no Add yet; in an initial group that is its creator."""
        if batch.initial:
            package = batch.package_of(author)
            if package is None:
                raise WireError("first commit by a user without key package")
            return {_CREATOR_LEAF: package.leaf}
        gone = set(batch.removes.values())
        return {leaf: node for leaf, node in self.leaves.items() if leaf not in gone}


def _without(add_by_user: Mapping[int, Proposal], author: int) -> list[Proposal]:
    return [proposal for user_id, proposal in add_by_user.items() if user_id != author]


def _check_welcome(packages: Collection[KeyPackage], welcome: Welcome | None) -> None:
    expected = {package.ref for package in packages}
    if expected != (set() if welcome is None else set(welcome.secrets)):
        raise WireError("welcome does not match the users added")
    if welcome is not None and not expected:
        raise WireError("welcome without an Add")


def _lowest_free(leaves: Mapping[int, LeafNode]) -> int:
    return next(leaf for leaf in range(len(leaves) + 1) if leaf not in leaves)
