"""What `make bench` makes of its measurements: medians, latencies, and the table in README."""

import os
import time

import numpy as np
import pytest

from tools.bench import cases, kept, perceived, readme
from tools.bench.accounting import Meter
from tools.bench.capture import latencies
from tools.bench.headlines import EVERY, FIRST
from tools.bench.kept import Kept
from tools.bench.plan import Cost, Planned, plan, whole_s
from tools.bench.readme import BEGIN, END
from tools.bench.result import Result, medians, of_json
from tools.bench.wire_tap import Datagram

SLOT_TICKS = 960


def result(p99, *, held):
    rows = {"gap_error_p99_ms": (p99, 0.1), "only here": (None, 1.0)}
    return Result("pacing", ("clankvox", "control"), rows, {"gap_error_p99_ms is small": held}, {"clankvox": [p99]})


def packets(count, first_s=100.0):
    return [Datagram(first_s + 0.02 * number, 200, SLOT_TICKS * number) for number in range(count)]


def test_a_figure_of_several_runs_is_their_median_and_a_bar_is_held_if_most_runs_hold_it():
    found = medians([result(5.0, held=False), result(0.1, held=True), result(0.2, held=True)])
    assert found.at("gap_error_p99_ms", "clankvox") == 0.2
    assert found.at("only here", "clankvox") is None
    assert found.checks == {"gap_error_p99_ms is small": True}
    assert sorted(found.samples["clankvox"]) == [0.1, 0.2, 5.0]
    assert not medians([result(5.0, held=False)] * 2 + [result(0.1, held=True)]).checks["gap_error_p99_ms is small"]


def test_what_is_kept_is_read_again_as_it_was():
    assert of_json(result(0.2, held=True).as_json()) == result(0.2, held=True)


def test_a_latency_is_from_a_packet_to_its_own_frame():
    wire = packets(50)
    told = [packet.at_s + 0.003 for packet in wire]
    waits_ms = latencies(wire, told, 0.0)
    assert waits_ms == pytest.approx([3.0] * 50)


def test_a_packet_of_padding_only_has_no_frame_and_shifts_nothing():
    wire = packets(50)
    wire.insert(20, Datagram(wire[20].at_s - 0.001, 120, wire[19].timestamp))
    told = [packet.at_s + 0.003 for packet in packets(50)]
    waits_ms = latencies(wire, told, 0.0)
    assert waits_ms == pytest.approx([3.0] * 50)


def test_a_wait_longer_than_a_slot_is_not_taken_for_a_short_one():
    wire = packets(50)
    told = [packet.at_s + (0.050 if number == 30 else 0.003) for number, packet in enumerate(wire)]
    waits_ms = latencies(wire, told, 0.0)
    assert max(waits_ms) == pytest.approx(50.0)


def test_the_first_frame_may_be_of_a_packet_before_the_last_one():
    """Where all frames come more than a slot late, the first one seems to be of a packet that came later."""
    wire = packets(50)
    told = [packet.at_s + (0.025 if number == 0 else 0.003) for number, packet in enumerate(wire)]
    told[0] = wire[1].at_s + 0.002
    waits_ms = latencies(wire, told, 0.0)
    assert min(waits_ms) >= 0
    assert waits_ms[0] == pytest.approx(22.0)


def test_cpu_time_is_read_to_less_than_a_tick():
    """A silent call takes less than a tick of 10 ms in a minute, and is not for nothing."""
    meter, before_s = Meter(os.getpid()), time.process_time()
    while time.process_time() - before_s < 0.004:
        pass
    read_s = meter.read().cpu_s
    assert read_s >= 0.004
    assert read_s % 0.01 != pytest.approx(0.0, abs=1e-7)


def test_what_differs_in_nothing_has_96_db_and_half_the_amplitude_has_6():
    clean = (8_000 * np.sin(np.arange(16_000) / 10)).astype(np.int16)
    assert perceived.snr_db(clean, clean) == 96
    assert perceived.snr_db(clean, clean // 2) == pytest.approx(6.0, abs=0.1)
    assert perceived.snr_db(clean, clean[:8_000]) == 96


def test_every_headline_names_a_case_that_there_is():
    assert {headline.case for headline in EVERY} <= set(cases.CASES)
    every = {headline.what: headline[:5] for headline in EVERY}
    assert all(every[headline.what] == headline[:5] for headline in FIRST)
    assert len(every) == len(EVERY)
    assert 8 <= len(FIRST) <= 12


def test_runs_are_added_and_read_again_as_they_were(tmp_path):
    one = kept.with_run(None, result(0.5, held=True), {"cores": "2"}, 30, 41)
    three = one
    for p99 in (0.1, 0.2):
        three = kept.with_run(three, result(p99, held=False), {"cores": "2"}, 30, 40)
    assert (one.runs, three.runs) == (1, 3)
    assert three.result.at("gap_error_p99_ms", "clankvox") == 0.2
    assert three.result.checks == {"gap_error_p99_ms is small": False}
    assert three.result.samples == {"clankvox": [0.5, 0.1, 0.2]}
    kept.save(tmp_path, "pacing", three)
    assert kept.load(tmp_path) == {"pacing": three}
    assert [each.name for each in tmp_path.iterdir()] == ["pacing.json"]


def test_runs_of_another_kind_are_not_mixed_with_those_before():
    before = kept.with_run(None, result(0.5, held=True), {}, 30, 41)
    other = result(0.1, held=True)._replace(columns=("clankvox", "control", "new"))
    assert kept.with_run(before, other, {}, 30, 41).runs == 1


def test_a_plan_that_has_time_takes_what_is_usual():
    costs = {"a": Cost(180), "b": Cost(20, most_runs=1)}
    assert plan(costs, 5) == {"a": Planned(180, 5), "b": Planned(20, 1)}
    assert plan(costs, 5, minutes=60) == plan(costs, 5)
    assert plan(costs, 2, seconds=3) == {"a": Planned(3, 2), "b": Planned(3, 1)}


def test_a_plan_that_has_little_time_shortens_what_may_be_short():
    costs = {"a": Cost(180, least_s=20, around_s=10), "b": Cost(60, least_s=50, around_s=10)}
    short = plan(costs, 3, minutes=8)
    assert 20 < short["a"].seconds < 180
    assert short["b"].seconds >= 50
    assert 7 * 60 < whole_s(costs, short) <= 8 * 60
    assert plan(costs, 3, minutes=1) == {"a": Planned(20, 3), "b": Planned(50, 3)}


def test_half_an_hour_is_enough_for_a_median_of_three():
    assert whole_s(cases.COSTS, plan(cases.COSTS, 3, minutes=33)) <= 35 * 60


def test_the_table_of_readme_says_ratio_and_plainly_whether_a_bar_is_reached(tmp_path):
    page, docs = tmp_path / "README.md", tmp_path / "docs"
    docs.mkdir()
    (tmp_path / "pacing.png").write_bytes(b"a picture")
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    checks = {"gap_error_p99_ms at most 0.2 ms beyond the control loop": False}
    machine = {"cores": "2", "cpu": "a CPU", "system": "Linux x", "python": "3.11.0"}
    found = {"pacing": Kept(result(0.5, held=True)._replace(checks=checks), machine, 180, 5)}
    readme.write(page, docs, found, tmp_path)
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    assert "2 cores, a CPU, Linux x, Python 3.11.0; medians of 5 runs" in text
    assert "| gap error p99, alone | 0.5 ms | bare loop 0.1 (5.00) |" in text
    assert "| **no** | 5 x 180 s |" in text
    assert "Not reached, 1 of 1 bars: gap error p99, alone (at most 0.2 ms beyond the loop)." in text
    whole = (docs / "benchmarks.md").read_text()
    assert "| only here |  | 1 |" in whole
    assert "**not reached**: gap_error_p99_ms at most 0.2 ms" in whole
    assert "(benchmarks/pacing.png)" in whole
    assert (docs / "benchmarks" / "pacing.png").read_bytes() == b"a picture"


def test_a_machine_that_was_busy_is_said_to_have_been():
    busy = {"cores": "2", "cpu": "a CPU", "system": "Linux x", "python": "3.11.0", "busy": "75"}
    assert "others used up to 75 % of its cores" in readme.section(
        {"pacing": Kept(result(0.5, held=True), busy, 180, 5)}
    )


def test_a_page_without_markers_is_left_alone(tmp_path):
    page = tmp_path / "README.md"
    page.write_text("nothing")
    with pytest.raises(ValueError, match="has no"):
        readme.write(page, tmp_path, {}, tmp_path)
    assert page.read_text() == "nothing"
