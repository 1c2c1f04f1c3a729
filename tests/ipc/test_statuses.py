import enum

import pytest

from clankvox.ipc import statuses

VOCABULARIES = [
    item
    for item in vars(statuses).values()
    if isinstance(item, type) and issubclass(item, enum.StrEnum) and item is not enum.StrEnum
]


@pytest.mark.parametrize("vocabulary", VOCABULARIES)
def test_a_name_is_its_word_on_the_wire(vocabulary):
    assert [member.value for member in vocabulary] == [member.name.lower() for member in vocabulary]


def test_music_error_codes_are_those_that_parents_accept():
    accepted = "http_403 format_unavailable spawn_failed missing_stdout no_audio pipeline_failed wait_failed"
    assert set(statuses.MusicErrorCode) == set(accepted.split())
