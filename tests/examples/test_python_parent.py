"""examples/python/parent.py, run for real."""

import ast
import sys
from pathlib import Path

import pytest

from tests.support import example_parent

SCRIPT = Path(__file__).parents[2] / "examples" / "python" / "parent.py"
COMMAND = (sys.executable, str(SCRIPT))

pytestmark = pytest.mark.process


def test_it_captures_each_utterance_says_its_line_and_leaves_when_interrupted(tmp_path):
    example_parent.check_whole_call(COMMAND, tmp_path)


def test_it_keeps_two_seconds_queued_and_ends_by_itself_once_all_is_said(tmp_path):
    example_parent.check_seconds_and_raw_pcm(COMMAND, tmp_path)


def test_it_leaves_when_interrupted_in_mid_sentence_though_nobody_hears_it(tmp_path):
    example_parent.check_interrupted_speech(COMMAND, tmp_path)


def test_refused_credentials_end_it_with_a_message(tmp_path):
    example_parent.check_refused(COMMAND, tmp_path)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("unknown_format", "unknown format 7"),
        ("disconnected", "kicked"),
        ("error", "no luck"),
        ("cut_frame", "within a frame"),
        ("ended", "ended by itself"),
    ],
)
def test_a_process_that_fails_ends_it_with_a_message(tmp_path, fault, message):
    example_parent.check_faulty(COMMAND, tmp_path, fault, message)


def test_it_waits_for_a_process_that_does_not_read(tmp_path):
    example_parent.check_back_pressure(COMMAND, tmp_path)


def test_it_needs_nothing_but_the_standard_library():
    tree = ast.parse(SCRIPT.read_text())
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    modules = {alias.name for node in imports if isinstance(node, ast.Import) for alias in node.names}
    modules |= {node.module for node in imports if isinstance(node, ast.ImportFrom)}
    assert {module.split(".")[0] for module in modules} <= sys.stdlib_module_names
