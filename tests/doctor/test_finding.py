from clankvox.doctor.finding import Verdict


def test_verdicts_are_words_that_programs_can_read():
    assert [str(verdict) for verdict in Verdict] == ["ok", "warning", "skipped", "failed"]
