"""docs/ipc.md, its schema and the close codes in docs/operations.md are what the code says, to the byte."""

import json
import re
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from clankvox.config import SETTINGS
from clankvox.errors import ExitCode
from clankvox.ipc.commands import COMMANDS
from clankvox.ipc.decoding import decode_command
from clankvox.ipc.events import EVENTS, encode_event
from clankvox.ipc.message import wire_tag
from clankvox.ipc.statuses import MusicErrorCode
from clankvox.protocol.close_codes import CLOSE_CODES
from tests.support import contract as judge
from tests.support.contract import ContractBroken, check, check_line, whole
from tools import contract, contract_notes
from tools.contract import FOLDER, command_example, event_example, page, rendered, schema, with_close_codes

PAGE = page()
SCHEMA = json.loads(schema())["$defs"]
LINK = re.compile(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)")


def test_generated_pages_are_fresh():
    for name, text in rendered().items():
        assert (FOLDER / name).read_text() == text, f"docs/{name} is stale: run `make docs`"


@pytest.mark.parametrize("tag", COMMANDS)
def test_every_command_has_a_section_with_an_example_that_is_that_command(tag):
    section = PAGE.partition(f"### `{tag}`\n")[2].partition("\n### ")[0]
    line = re.search(r"```json\n(.*)\n```", section)[1]
    assert type(decode_command(line.encode())) is COMMANDS[tag]


@pytest.mark.parametrize("tag", EVENTS)
def test_every_event_has_an_example_that_the_encoder_writes(tag):
    written = json.loads(encode_event(event_example(tag)))
    assert written["type"] == tag
    assert json.dumps(written, separators=(", ", ": "), ensure_ascii=False) in PAGE


@pytest.mark.parametrize("tag", COMMANDS)
def test_examples_of_commands_are_valid(tag):
    check("Command", command_example(tag))


@pytest.mark.parametrize("tag", EVENTS)
def test_examples_of_events_are_valid(tag):
    check("Event", json.loads(encode_event(event_example(tag))))


def test_the_schema_is_one():
    Draft202012Validator.check_schema(whole())


@pytest.mark.parametrize(
    "broken",
    [
        {"type": "ready", "connectionId": None},
        {"type": "ready", "connection_id": "c1"},
        {"type": "speaking_start", "userId": 42},
        {"type": "speaking_start"},
        {"type": "dave_state", "role": "voice", "status": "perhaps"},
        {"type": "unheard_of"},
        {"type": "adapter_send", "payload": {"op": 4, "d": {"guild_id": "1", "channel_id": 2}}},
    ],
)
def test_an_event_that_is_not_as_the_schema_has_it_is_seen(broken):
    with pytest.raises(ContractBroken):
        check("Event", broken)


def test_a_command_that_the_process_takes_and_the_schema_does_not_is_seen(monkeypatch):
    check_line(b'{"type":"leave","reason":null,"whatever":1}')
    check_line(b"no command at all")
    monkeypatch.setattr(judge, "decode_command", lambda _line: None)  # it takes anything
    with pytest.raises(ContractBroken, match="reason"):
        check_line(b'{"type":"leave","reason":7}')


def test_the_schema_has_snowflakes_as_strings_and_no_null_in_events():
    assert SCHEMA["Join"]["properties"]["guildId"]["type"] == "string"
    assert {"type": "null"} in SCHEMA["Join"]["properties"]["connectionId"]["anyOf"]
    assert SCHEMA["Ready"]["properties"]["connectionId"] == {"type": "string"}
    assert {"type": "null"} in SCHEMA["VoiceStateUpdate"]["properties"]["channel_id"]["anyOf"]


def test_ranges_are_read_from_the_code():
    assert "| `silenceDurationMs` | u32 | `700` | Clamped to 100 to 5000. |" in PAGE
    assert "Clamped to 8000 to 48000." in PAGE


@pytest.mark.parametrize("code", MusicErrorCode)
def test_words_stand_in_a_table_where_the_source_says_what_they_mean(code):
    assert f"\n| `{code}` | " in PAGE


def test_a_message_without_notes_is_described_all_the_same(monkeypatch):
    monkeypatch.setattr(contract_notes, "COMMAND_EXAMPLES", {})
    monkeypatch.setattr(contract_notes, "EVENT_EXAMPLES", ())
    for tag in COMMANDS:
        if tag != "stream_publish_browser_start":
            assert command_example(tag)["type"] == tag
    for tag in EVENTS:
        assert wire_tag(type(event_example(tag))) == tag


def test_an_example_that_does_not_hold_is_refused(monkeypatch):
    monkeypatch.setitem(contract_notes.COMMAND_EXAMPLES, "join", {"type": "leave"})
    with pytest.raises(ValueError, match="another command"):
        command_example("join")


def test_no_note_is_left_over():
    assert contract_notes.COMMAND_GENERATIONS.keys() <= COMMANDS.keys()
    assert contract_notes.COMMAND_EXAMPLES.keys() <= COMMANDS.keys()
    assert contract_notes.ANSWERS.keys() <= COMMANDS.keys()
    assert contract_notes.EVENT_GENERATIONS.keys() <= EVENTS.keys()
    assert {wire_tag(type(event)) for event in contract_notes.EVENT_EXAMPLES} <= EVENTS.keys()


def test_every_close_code_is_in_the_operations_page():
    table = with_close_codes((FOLDER / "operations.md").read_text())
    assert all(f"\n| {code} | `{policy.name}` |" in table for code, policy in CLOSE_CODES.items())


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_every_setting_is_in_the_operations_page_under_both_names(setting):
    assert f"\n| `--{setting.name}` | `{setting.variable}` |" in (FOLDER / "operations.md").read_text()


@pytest.mark.parametrize("code", ExitCode)
def test_every_exit_code_is_in_the_operations_page(code):
    assert f"\n| {code.value} | " in (FOLDER / "operations.md").read_text().partition("## Exit codes")[2]


def test_a_page_without_its_marks_is_refused():
    with pytest.raises(ValueError, match="marks"):
        with_close_codes("nothing")


def anchors_of(path: Path) -> set[str]:
    """Return what a link into a page may end with: its headings as the usual renderers make anchors of them."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize(
    "path",
    [*sorted(FOLDER.glob("*.md")), *(contract.ROOT / name for name in ("README.md", "ARCHITECTURE.md"))],
    ids=lambda path: path.name,
)
def test_links_lead_somewhere(path: Path):
    links = [(path.parent / name if name else path, anchor) for name, anchor in LINK.findall(path.read_text())]
    assert not [name for name, _ in links if not name.exists()]
    assert not [(name.name, anchor) for name, anchor in links if anchor and anchor not in anchors_of(name)]
