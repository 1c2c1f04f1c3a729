import davey
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from clankvox.loopback.external_sender import ExternalSender, proposals_payload
from clankvox.loopback.mls import labelled_content, parse_key_package, ref_hash, split_commit_welcome
from clankvox.loopback.mls_codec import Reader

CHANNEL = 0x00042FBE6FCDD020
A, B = 100, 200


def session(user, sender):
    made = davey.DaveSession(1, user, CHANNEL, None)
    made.set_external_sender(sender.payload)
    return made, parse_key_package(made.get_serialized_key_package(), user)


def test_op_25_is_point_credential_type_and_identity():
    payload = ExternalSender(CHANNEL).payload
    assert len(payload) == 74
    assert payload[:3] == b"\x40\x41\x04"
    assert payload[67:] == b"\x00\x01\x04\x00\x01\x01\x00"


def test_a_remove_has_the_layout_of_rfc_9420():
    proposal = ExternalSender(CHANNEL).remove(2, 1)
    head = "000100010800042fbe6fcdd020000000000000000202000000000002000300000001"
    assert proposal.message.hex().startswith(head)
    reader = Reader(proposal.message[len(head) // 2 :])
    assert 68 <= len(reader.vector()) <= 72
    reader.finish()


def test_the_signature_covers_everything_from_the_version_to_the_proposal():
    sender = ExternalSender(CHANNEL)
    message = sender.remove(2, 1).message
    signed, signature = message[:34], Reader(message[34:]).vector()
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), sender.payload[2:67])
    key.verify(signature, labelled_content("FramedContentTBS", signed), ec.ECDSA(hashes.SHA256()))


def test_the_ref_is_of_the_message_without_its_version():
    proposal = ExternalSender(CHANNEL).remove(2, 1)
    assert proposal.ref == ref_hash("Proposal Reference", proposal.message[2:])


def test_davey_commits_the_refs_that_we_computed():
    sender = ExternalSender(CHANNEL)
    (first, _), (_, package) = session(A, sender), session(B, sender)
    proposal = sender.add(0, package)
    answer = first.process_proposals(davey.ProposalsOperationType.append, proposals_payload([proposal])[1:], [A, B])
    commit, welcome = split_commit_welcome(answer.commit + answer.welcome)
    assert commit.proposal_refs == (proposal.ref,)
    assert welcome is not None
    assert list(welcome.secrets) == [package.ref]


@pytest.mark.parametrize("epoch_or_key", ["epoch", "key", "channel"])
def test_davey_refuses_a_proposal_for_another_epoch_key_or_channel(epoch_or_key):
    sender = ExternalSender(CHANNEL)
    (first, _), (_, package) = session(A, sender), session(B, sender)
    proposal = {
        "epoch": lambda: sender.add(1, package),
        "key": lambda: ExternalSender(CHANNEL).add(0, package),
        "channel": lambda: ExternalSender(CHANNEL + 1).add(0, package),
    }[epoch_or_key]()
    with pytest.raises(ValueError):
        first.process_proposals(davey.ProposalsOperationType.append, proposals_payload([proposal])[1:], [A, B])


def test_a_proposal_built_twice_has_two_refs():
    sender = ExternalSender(CHANNEL)
    assert sender.remove(1, 0).ref != sender.remove(1, 0).ref


def test_proposals_are_appended_in_one_vector():
    sender = ExternalSender(CHANNEL)
    proposals = [sender.remove(1, leaf) for leaf in (0, 1)]
    payload = proposals_payload(proposals)
    assert payload[0] == 0
    assert Reader(payload[1:]).vector() == proposals[0].message + proposals[1].message
