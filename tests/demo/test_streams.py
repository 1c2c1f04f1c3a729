import pytest

from clankvox.demo import streams
from tests.support.demo_call import a_plan, hear_everything


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """All four directions, heard whole."""
    plan = a_plan(tmp_path_factory.mktemp("streams"))
    hear_everything(plan)
    return streams.measure(plan)


def test_all_four_directions_are_measured_and_drawn(measured):
    assert [stream.name for stream in measured] == [
        "Ada to clankvox",
        "Ben to clankvox",
        "clankvox to Ada",
        "clankvox to Ben",
    ]
    for stream in measured:
        assert stream.alignment.delay_ms == pytest.approx(10)
        assert stream.alignment.snr_db > 60
        assert stream.heard_s == pytest.approx(stream.said_s + 0.01)
        assert stream.picture.read_bytes().startswith(b"\x89PNG")
        assert stream.said_file.with_suffix(".png").exists()


def test_two_streams_that_are_swapped_are_not_taken_for_each_other(tmp_path):
    plan = a_plan(tmp_path)
    hear_everything(plan)
    first, second = (plan.heard(member) for member in plan.members)
    spare = first.rename(tmp_path / "spare.wav")
    second.rename(first)
    spare.rename(second)

    assert all(stream.alignment.snr_db < 0 for stream in streams.measure(plan)[:2])


def test_a_stream_without_file_is_one_that_was_not_heard(tmp_path):
    plan = a_plan(tmp_path)

    assert [stream.alignment for stream in streams.measure(plan)] == [None] * 4


def test_the_bar_of_our_own_speech_knows_its_fec(measured):
    ada, _, reply, _ = measured

    assert ada.plain_opus_db > 25
    assert 12 < reply.plain_opus_db < 20
