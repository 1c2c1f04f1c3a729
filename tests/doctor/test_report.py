import json

from clankvox.doctor.finding import Finding, Verdict
from clankvox.doctor.report import as_json, as_text, passed

GOOD = [Finding("Opus", Verdict.OK, "fine", 0.123456), Finding("timer", Verdict.WARNING, "late", 1.0)]
BAD = [*GOOD, Finding("VP8", Verdict.FAILED, "raised X", 0.0, "do this")]
VERSIONS = {"clankvox": "1", "davey": "2"}


def test_only_a_failure_is_a_failure():
    assert passed(GOOD)
    assert not passed(BAD)


def test_the_table_has_a_line_a_finding_and_says_what_failed():
    assert as_text(GOOD, VERSIONS).splitlines() == [
        "ok       Opus   fine",
        "warning  timer  late",
        "",
        "clankvox 1  davey 2",
        "",
        "This installation works; see timer.",
    ]
    assert as_text(GOOD[:1], VERSIONS).endswith("\nThis installation works.\n")
    assert as_text(BAD, VERSIONS).endswith("Failed: VP8.\n")


def test_what_to_do_stands_below_the_line_that_it_is_about():
    lines = as_text(BAD, VERSIONS).splitlines()
    assert lines[2:4] == ["failed   VP8    raised X", "                -> do this"]


def test_programs_get_one_object():
    report = json.loads(as_json(BAD, VERSIONS))
    assert (report["format"], report["passed"], report["versions"]) == (1, False, VERSIONS)
    assert report["findings"][0] == {"name": "Opus", "verdict": "ok", "detail": "fine", "seconds": 0.1235, "advice": ""}
