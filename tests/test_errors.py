import re

from clankvox import errors
from clankvox.errors import ClankvoxError, PeerViolation


def tree(root):
    yield root
    for child in root.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from tree(child)


def test_the_drawing_names_every_class_and_code():
    drawn = errors.__doc__
    for error in tree(ClankvoxError):
        assert re.search(rf"\b{error.__name__}\b", drawn), error.__name__
    for error in (errors.InvalidJson, errors.InputTooLarge, errors.InvalidRequest):
        assert f"code {error.code}" in drawn


def test_every_class_has_a_code_of_its_own_and_says_whether_to_try_again():
    leaves = [error for error in tree(ClankvoxError) if error not in (ClankvoxError, errors.CommandError)]
    codes = [error.code for error in leaves]
    assert len(set(codes)) == len(codes)
    assert all(isinstance(error.recoverable, bool) for error in leaves)


def test_a_violation_closes_with_its_code():
    assert PeerViolation("why").close_code == 1002
    assert PeerViolation("why", 4900).close_code == 4900
