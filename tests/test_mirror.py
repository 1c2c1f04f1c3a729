"""clankvox/x/y.py is proven by tests/x/test_y.py: whoever looks for the tests of a module finds them."""

from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "clankvox"
TESTS = ROOT / "tests"

WITHOUT_TESTS_OF_THEIR_OWN = {
    "ports": "protocols only: every double and every shell is checked against them by mypy and by use",
    "actors/boundary": "values and defaults without behaviour",
    "actors/wish": "base of the desired states, whose tests run it",
    "actors/output": "values without behaviour; the playback actor's own",
    **dict.fromkeys(
        (f"ipc/{noun}_events" for noun in ("connection", "sound", "music", "video", "telemetry")),
        "values; test_events has a golden line of each",
    ),
    **dict.fromkeys(
        (f"ipc/{noun}_commands" for noun in ("connection", "sound", "music", "video")),
        "values; test_commands has the rules of all, through the registry",
    ),
    "ipc/event": "the base of what test_events has",
    "ipc/command": "the base of what test_commands has",
    "messages/capture": "values without behaviour; test_diagrams reads their docstrings",
    "messages/common": "values without behaviour",
    "messages/dave": "values without behaviour",
    "messages/music": "values without behaviour",
    "messages/playback": "values without behaviour",
    "messages/publish": "values without behaviour",
    "messages/router": "values without behaviour",
    "messages/video": "values without behaviour",
    "media/watch_list": "values without behaviour; the video actor's own",
    "media/opened_source": "the shared half of test_container_pictures and test_visualizer",
    "media/picture_source": "a protocol and its values",
    "media/video_ports": "protocols, and values without behaviour",
    "media/video_totals": "counters without behaviour",
    "media/receive_ports": "protocols only",
    "protocol/dave_effects": "values without behaviour; test_dave reads every field",
    "loopback/__main__": "two lines of dispatch",
    "loopback/member_engine": "a protocol only",
    "loopback/member_davey": "test_member and test_delivery run every test with both libraries",
    "loopback/member_libdave": "test_member and test_delivery run every test with both libraries",
    "loopback/own_member": "base of speaker, publisher and watcher, whose tests run it",
    "loopback/opus_track": "test_speaker and test_publisher run it",
    "loopback/hearing": "test_speaker and test_watcher run it",
    "loopback/mls_outbox": "values without behaviour",
    "loopback/mls_session": "values without behaviour; test_delivery reads every field",
    "loopback/participant": "a protocol only",
}

SHARED_TESTS = {"stateful", "support", "vectors", "peers", "process", "examples", "quality", "soak"}
"""Folders that mirror nothing: suites over many modules, and what tests share."""
OF_THE_WHOLE = {"test_contract_docs", "test_diagrams", "test_layers", "test_mirror", "test_transitions"}


def modules() -> set[str]:
    found = {str(path.relative_to(PACKAGE).with_suffix("")) for path in PACKAGE.rglob("*.py")}
    return {name for name in found if not name.endswith("__init__")}


def proven() -> set[str]:
    found = set()
    for path in TESTS.rglob("test_*.py"):
        folder = path.relative_to(TESTS).parent
        if str(folder).split("/", maxsplit=1)[0] not in SHARED_TESTS and path.stem not in OF_THE_WHOLE:
            found.add(str(folder / path.stem.removeprefix("test_")))
    return found


def test_every_module_has_its_tests():
    missing = sorted(modules() - proven() - WITHOUT_TESTS_OF_THEIR_OWN.keys())
    assert not missing, f"without tests: {missing}"


def test_every_test_has_its_module():
    assert not sorted(proven() - modules())


def test_no_exception_is_left_over():
    assert WITHOUT_TESTS_OF_THEIR_OWN.keys() <= modules()
    assert not WITHOUT_TESTS_OF_THEIR_OWN.keys() & proven()
