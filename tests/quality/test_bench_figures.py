"""What `make bench` makes of its measurements: medians, latencies, and the table in README."""

import pytest

from tools.bench import cases, readme
from tools.bench.capture import latencies
from tools.bench.headlines import HEADLINES
from tools.bench.readme import BEGIN, END, Kept
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
    waits_ms, lost = latencies(wire, told, 0.0)
    assert waits_ms == pytest.approx([3.0] * 50)
    assert lost == 0


def test_a_packet_of_padding_only_has_no_frame_and_shifts_nothing():
    wire = packets(50)
    wire.insert(20, Datagram(wire[20].at_s - 0.001, 120, wire[19].timestamp))
    told = [packet.at_s + 0.003 for packet in packets(50)]
    waits_ms, lost = latencies(wire, told, 0.0)
    assert waits_ms == pytest.approx([3.0] * 50)
    assert lost == 0


def test_a_wait_longer_than_a_slot_is_not_taken_for_a_short_one():
    wire = packets(50)
    told = [packet.at_s + (0.050 if number == 30 else 0.003) for number, packet in enumerate(wire)]
    waits_ms, _ = latencies(wire, told, 0.0)
    assert max(waits_ms) == pytest.approx(50.0)


def test_a_packet_without_a_frame_is_counted_as_lost():
    wire = packets(50)
    told = [packet.at_s + 0.003 for number, packet in enumerate(wire) if number not in {20, 21}]
    assert latencies(wire, told, 0.0)[1] == 2


def test_every_headline_names_a_case_that_there_is():
    assert {headline.case for headline in HEADLINES} <= set(cases.CASES)


def test_the_table_of_readme_says_ratio_and_plainly_whether_a_bar_is_reached(tmp_path):
    page = tmp_path / "README.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    checks = {"gap_error_p99_ms at most 0.2 ms beyond the control loop": False}
    machine = {"cores": "2", "cpu": "a CPU", "system": "Linux x", "python": "3.11.0"}
    found = {"pacing": Kept(result(0.5, held=True)._replace(checks=checks), machine, 180, 5)}
    readme.write(page, found)
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    assert "2 cores, a CPU, Linux x, Python 3.11.0; medians of 5 runs" in text
    assert "| gap error p99, alone | 0.5 ms | bare loop 0.1 (5.00) |" in text
    assert "| **no** |" in text


def test_a_machine_that_was_busy_is_said_to_have_been():
    busy = {"cores": "2", "cpu": "a CPU", "system": "Linux x", "python": "3.11.0", "load": "7.5"}
    assert "load average was up to 7.5" in readme.section({"pacing": Kept(result(0.5, held=True), busy, 180, 5)})


def test_a_page_without_markers_is_left_alone(tmp_path):
    page = tmp_path / "README.md"
    page.write_text("nothing")
    with pytest.raises(ValueError, match="has no"):
        readme.write(page, {})
    assert page.read_text() == "nothing"
