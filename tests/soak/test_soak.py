"""A minute of `make soak` with a fixed seed, and its churn: counts, content and order; the clock judges nothing."""

import dataclasses
import itertools
from collections import Counter

import numpy as np
import pytest

from clankvox.demo.parent import Event
from tools.soak import bars, churn
from tools.soak.accounts import Entry
from tools.soak.churn import Churn
from tools.soak.ledgers import Streams
from tools.soak.report import churn_markdown, markdown
from tools.soak.run import Plan, Run
from tools.soak.schedule import CLOSES, LOSES_LINKS, OTHERS_BETWEEN, Cause, Fault, faults
from tools.soak.vitals import Growth, Sample, growth

SEED = 1
CALL_S = 45.0
CHANGES = 25


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    with Run(Plan(CALL_S, SEED, tmp_path_factory.mktemp("soak"))) as run:
        return run.hold()


@pytest.mark.process
@pytest.mark.timeout(180)
def test_a_call_among_faults_loses_nothing_by_our_own_fault(outcome):
    verdict = bars.judge(outcome)
    assert [bar for bar in verdict if not bar.held and not bar.timed] == [], markdown(outcome, verdict)


@pytest.mark.process
def test_a_call_among_faults_comes_back_from_each_of_them(outcome):
    assert all(each.problem is None for each in outcome.happened)
    causes = {each.cause for each in outcome.happened}
    assert len(causes) >= 10
    assert causes & LOSES_LINKS
    assert "connection_state disconnected" not in outcome.told


@pytest.mark.process
def test_everybody_is_heard_and_hears_us_while_nothing_hurts(outcome):
    quiet = outcome.entries[Cause.QUIET]
    for user, spoken in quiet.spoken.items():
        assert quiet.captured[user] > 0.9 * spoken > 0
        assert quiet.heard[user] > 0.9 * quiet.said > 0
    assert outcome.pictures_seen > 0
    assert outcome.outbound["videoFramesSent"] > 0


@pytest.mark.process
def test_a_call_that_is_over_ends_the_run_with_a_verdict_that_says_so(tmp_path, monkeypatch):
    def due(_run):
        monkeypatch.setattr("tools.soak.faults.WHOLE_S", 1.0)
        yield from itertools.repeat(Fault(1, Cause.CLOSE_4006, 0.1, 0.5))

    monkeypatch.setitem(CLOSES, Cause.CLOSE_4006, 4017)
    monkeypatch.setattr(Run, "_due", due)
    with Run(Plan(600.0, SEED, tmp_path)) as run:
        found = run.hold()
    assert len(found.happened) == 1
    assert found.happened[0].problem is not None
    assert found.wrong
    assert any(not bar.held for bar in bars.judge(found))
    assert found.exit_code == 0


@pytest.mark.process
@pytest.mark.timeout(120)
def test_members_of_both_libraries_come_and_go_and_nothing_is_lost(tmp_path):
    with Churn(SEED, tmp_path) as run:
        found = run.hold(CHANGES)
    verdict = churn.judge(found)
    assert [bar for bar in verdict if not bar.held] == [], churn_markdown(found, verdict)
    assert found.opened > 0
    assert found.heard["decoded"] > 0


# --- the instrument ---


def test_a_seed_gives_the_same_faults_again_and_links_are_lost_now_and_then_only():
    first, second = ([fault for fault, _ in zip(faults(7, 1.0), range(100), strict=False)] for _ in range(2))
    assert first == second
    assert first != [fault for fault, _ in zip(faults(8, 1.0), range(100), strict=False)]
    assert {fault.cause for fault in first} >= {*CLOSES, *LOSES_LINKS, Cause.BAD_COMMIT_US, Cause.UPGRADE}
    lost = [fault.number for fault in first if fault.cause in LOSES_LINKS]
    assert {later - sooner for sooner, later in itertools.pairwise(lost)} == {OTHERS_BETWEEN + 1}


@pytest.mark.parametrize(
    ("change", "bar"),
    [
        ({"plaintext_frames": 1}, "frames of ours in clear"),
        ({"plaintext_pictures": 1}, "pictures of ours in clear"),
        ({"captured": Counter()}, "frames of a member that were decoded and not given to the parent"),
        ({"growth": Growth(0, 0, 0, bars.SHORT_GROWTH + 1, 0)}, "more threads"),
        ({"growth": Growth(0, 0, 0, 0, bars.SHORT_GROWTH + 1)}, "more file descriptors"),
        ({"imbalances": 1}, "ledgers that do not sum up"),
        ({"children_left": 1}, "child processes left"),
        ({"exit_code": 70}, "exit code"),
        ({"restarts": 1}, "actors that failed"),
        ({"wrong": [{"type": "error"}]}, "events that say that something ended or failed"),
    ],
)
@pytest.mark.process
def test_a_run_in_which_one_thing_is_wrong_does_not_pass(outcome, change, bar):
    failed = [each.name for each in bars.judge(outcome._replace(**change)) if not each.held and not each.timed]
    assert failed == [bar]


@pytest.mark.process
@pytest.mark.parametrize(
    ("fate", "bar"),
    [
        ("uncaptured", "frames with a fate that is always our fault"),
        ("codec_failed", "frames with a fate that is always our fault"),
        ("no_key", "frames without a key though we were in the group"),
    ],
)
def test_a_run_in_which_frames_are_lost_by_our_fault_does_not_pass(outcome, fate, bar):
    user, ledger = next(iter(outcome.ledgers.items()))
    worse = outcome._replace(ledgers={**outcome.ledgers, user: ledger + Counter({fate: 100_000})})
    assert [each.name for each in bars.judge(worse) if not each.held and not each.timed] == [bar]


@pytest.mark.process
def test_a_run_in_which_a_member_does_not_hear_us_while_all_is_quiet_does_not_pass(outcome):
    quiet = outcome.entries[Cause.QUIET]
    user = next(iter(outcome.ledgers))
    for change, bar in (
        ({"refused": {**quiet.refused, user: quiet.heard[user]}}, "could not open"),
        ({"excused": quiet.excused}, "neither opened nor refused"),
    ):
        deaf = dataclasses.replace(quiet, heard={**quiet.heard, user: 0}, **change)
        judged = bars.judge(outcome._replace(entries={**outcome.entries, Cause.QUIET: deaf}))
        (failed,) = [each.name for each in judged if not each.held and not each.timed]
        assert failed.endswith(bar)


def test_what_goes_on_growing_is_seen_and_what_has_settled_is_not():
    def grown(mib_an_hour, threads=0.0, rss=lambda _: 100.0):
        rising = mib_an_hour / 3_600
        samples = [Sample(float(at), rss(at) + rising * at, 10 + int(threads * at), 20) for at in range(1_800)]
        return growth(samples, warm_up_s=600.0)

    assert grown(1).rss_mib_an_hour == pytest.approx(1.0, abs=0.01)
    assert grown(0) == (pytest.approx(0.0, abs=1e-6),) * 3 + (0, 0)
    assert grown(0, 0.01).threads > bars.GROWTH

    def restless(at):
        return 100.0 + 0.25 * np.sin(at / 100) - 22.0 * (at % 60 < 3) + 3.0 * (1 - np.exp(-at / 200))

    settled, leaking = grown(0, rss=restless), grown(12, rss=restless)
    assert settled.rss_at_least < bars.RSS_MIB_AN_HOUR < settled.rss_at_most
    assert bars.RSS_MIB_AN_HOUR < leaking.rss_at_least < 12 < leaking.rss_at_most


def test_a_stream_is_counted_once_though_its_end_is_told_twice_and_anew_on_another_connection():
    streams = Streams()
    for arrived, ended, user in ((3, False, "1"), (5, True, "1"), (5, True, None), (2, True, "1")):
        streams.note(_stats(arrived, ended, user))
    assert streams.of("voice", "1")["arrived"] == 7
    assert streams.all("voice")["decoded"] == 7
    assert not streams.imbalances
    assert Entry().captured["nobody"] == 0


def _stats(arrived, ended, user):
    body = {"type": "stream_stats", "role": "voice", "ssrc": 9, "ended": ended, "expected": arrived, "arrived": arrived}
    body |= {"missing": 0, "pending": 0, "gaps": 0, "restarts": 0, "fates": {"decoded": arrived}}
    return Event(0.0, body if user is None else {**body, "userId": user})


@pytest.mark.parametrize(
    ("sent", "without", "ledger", "missed"),
    [
        (12, 0, {"arrived": 12, "decoded": 9, "quiet": 2, "empty": 1}, {}),
        (12, 0, {"arrived": 12, "decoded": 11, "no_key": 1}, {"no_key": 1}),
        (12, 2, {"arrived": 12, "decoded": 9, "no_key": 1, "no_group": 2}, {"no_group": 1}),
        (12, 1, {"arrived": 12, "decoded": 12}, {"opened though sealed without us": 1}),
        (12, 0, {"arrived": 12, "decoded": 11, "pending": 1}, {"without a fate": 1}),
        (12, 0, {"arrived": 10, "decoded": 10, "concealed": 2}, {"never arrived": 2}),
        (3, 0, {}, {"never arrived": 3}),
    ],
)
def test_whatever_a_member_sent_and_we_did_not_hear_has_a_name(sent, without, ledger, missed):
    assert churn.unheard_of(sent, Counter(ledger), without) == Counter(missed)
