"""examples/bun/parent.ts, run for real by the Bun of the npm package `bun`."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.support import example_parent

SCRIPT = Path(__file__).parents[2] / "examples" / "bun" / "parent.ts"
INSTALLED = Path(__file__).parent / "node_modules"
TYPE_RULES = (
    "--noEmit --strict --noUncheckedIndexedAccess --exactOptionalPropertyTypes --noUnusedLocals --noUnusedParameters "
    "--erasableSyntaxOnly --verbatimModuleSyntax --target esnext --module preserve --types node"
)

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def command():
    """Bun is part of what is promised: without it these tests fail, they are not skipped."""
    bun = INSTALLED / ".bin" / "bun"
    if not bun.exists():
        pytest.fail("Bun is not installed: run `make peers`, or `npm install --no-package-lock` in tests/examples")
    return (str(bun), str(SCRIPT))


def test_it_captures_each_utterance_says_its_line_and_leaves_when_interrupted(command, tmp_path):
    example_parent.check_whole_call(command, tmp_path)


def test_it_keeps_two_seconds_queued_and_ends_by_itself_once_all_is_said(command, tmp_path):
    example_parent.check_seconds_and_raw_pcm(command, tmp_path)


def test_it_leaves_when_interrupted_in_mid_sentence_though_nobody_hears_it(command, tmp_path):
    example_parent.check_interrupted_speech(command, tmp_path)


def test_refused_credentials_end_it_with_a_message(command, tmp_path):
    example_parent.check_refused(command, tmp_path)


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
def test_a_process_that_fails_ends_it_with_a_message(command, tmp_path, fault, message):
    example_parent.check_faulty(command, tmp_path, fault, message)


def test_it_waits_for_a_process_that_does_not_read(command, tmp_path):
    example_parent.check_back_pressure(command, tmp_path)


def test_its_types_are_strict_without_any(command):
    compiler = [INSTALLED / ".bin" / "tsc", *TYPE_RULES.split(), "--typeRoots", INSTALLED / "@types", SCRIPT]
    checked = subprocess.run(compiler, capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stdout) == (0, "")
    assert not re.search(r"(?:[:<|,(]|\bas) *any\b", SCRIPT.read_text())


def test_it_needs_nothing_but_built_in_modules():
    modules = re.findall(r'\bfrom "([^"]+)"', SCRIPT.read_text())
    assert modules
    assert all(module.startswith("node:") for module in modules)
