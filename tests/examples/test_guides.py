"""What the guides show is true: code runs, messages and settings are taken, commands, files and names exist."""

import ast
import asyncio
import json
import os
import re
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from clankvox.__main__ import USAGE
from clankvox.config import parse
from clankvox.demo import cli as demo
from clankvox.doctor import cli as doctor
from clankvox.ids import UserId
from clankvox.ipc.commands import COMMANDS
from clankvox.ipc.events import EVENTS
from clankvox.ipc.framing import frame_user_audio
from clankvox.loopback import cli as loopback
from clankvox.loopback import commands as orders
from tests.support.contract import check, whole

ROOT = Path(__file__).parents[2]
GUIDES = {
    path.name if path.parent.name == "docs" else str(path.relative_to(ROOT)): path.read_text()
    for path in (
        ROOT / "README.md",
        ROOT / "ARCHITECTURE.md",
        ROOT / "examples" / "README.md",
        *(path for path in sorted((ROOT / "docs").glob("*.md")) if path.name != "ipc.md"),  # which is generated
    )
}
BUN = Path(__file__).parent / "node_modules" / ".bin" / "bun"
RUN = {"README.md": ["python"], "parents.md": ["ts", "ts", "python", "python"]}
"""The blocks of code that are run below; another one needs a test too."""
INLINE_JSON = re.compile(r"`(\{\"type\":.*?\})`")
MODULE = re.compile(r"`([a-z_0-9]+/[a-z_0-9/]+\.(?:py|md|json))`")
WIRE_NAME = re.compile(r"`([a-z]+[A-Z]\w+)`")
FLAG = re.compile(r"(--[a-z][a-z-]+)")
LOOPBACK_ALSO = {"rtxPackets", "rtxHere"}
"""What the offline Discord answers, which has no schema."""
SUBCOMMANDS = {"demo": demo, "doctor": doctor, "loopback": loopback}


@pytest.fixture
def clankvox_on_the_path(monkeypatch, tmp_path):
    """`clankvox` is this one, as if it were installed."""
    script = tmp_path / "bin" / "clankvox"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m clankvox "$@"\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{script.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


def blocks(page, language):
    return [
        body
        for found, body in re.findall(r"^```(\w*)\n(.*?)^```$", GUIDES[page], re.DOTALL | re.MULTILINE)
        if found == language
    ]


def each(language):
    return [
        pytest.param(body, id=f"{page} {number}")
        for page in GUIDES
        for number, body in enumerate(blocks(page, language))
    ]


def inside(pattern):
    return [(page, found) for page, text in GUIDES.items() for found in pattern.findall(text)]


def as_message(text):
    """Hold an object with a `type` to whoever reads or writes it."""
    message = json.loads(text)
    if message["type"] in COMMANDS:
        check("Command", message)
    elif message["type"] in EVENTS:
        check("Event", message)
    else:
        assert message["type"] in {"listening", "ok", "error"}, "neither the process nor the offline Discord says that"


def test_every_block_of_code_is_run_by_a_test():
    found = {page: [lang for lang in ("ts", "python") for _ in blocks(page, lang)] for page in GUIDES}
    assert {page: languages for page, languages in found.items() if languages} == RUN
    known = {"", "sh", "ts", "python", "json", "toml", "text", "mermaid"}
    assert {lang for text in GUIDES.values() for lang in re.findall(r"^```(\w+)$", text, re.MULTILINE)} <= known


@pytest.mark.parametrize("body", each("json"))
def test_blocks_of_json_are_what_is_really_said(body):
    as_message(body)


@pytest.mark.parametrize(("page", "text"), [found for found in inside(INLINE_JSON) if "..." not in found[1]])
def test_messages_within_sentences_are_what_is_really_said(page, text):
    as_message(text)


@pytest.mark.parametrize("body", each("toml"))
def test_a_file_of_settings_is_taken(body, tmp_path):
    path = tmp_path / "clankvox.toml"
    path.write_text(body)
    assert parse(["--config", str(path)], {}) != parse([], {})


def test_every_file_that_is_named_is_there():
    gone = [(page, name) for page, name in inside(MODULE) if not (ROOT / name).exists()]
    assert not [(page, name) for page, name in gone if not (ROOT / "clankvox" / name).exists()]


def test_every_name_of_the_wire_is_one():
    schema = {key for definition in whole()["$defs"].values() for key in definition.get("properties", {})}
    known = schema | {field for order in orders.get_args(orders.AnyCommand) for field in order.__struct_encode_fields__}
    assert not [(page, name) for page, name in inside(WIRE_NAME) if name not in known | LOOPBACK_ALSO]


@pytest.mark.parametrize("order", orders.get_args(orders.AnyCommand), ids=lambda order: order.__struct_config__.tag)
def test_every_order_of_the_offline_discord_is_described_with_its_fields(order):
    page = GUIDES["loopback.md"]
    assert f"`{order.__struct_config__.tag}`" in page
    assert not [field for field in order.__struct_encode_fields__ if not re.search(rf"\b{field}\b", page)]


@pytest.mark.parametrize("body", each("sh"))
def test_commands_for_a_shell_exist_with_their_flags(body, capsys):
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for line in body.replace("\\\n", " ").splitlines():
        program, *rest = line.partition("#")[0].split()
        if program == "make":
            assert rest[0] in targets
        elif program == "echo":
            order, _, then = line.removeprefix("echo ").partition(" | ")
            orders.decode_command(order.strip().strip("'"))
            check_flags(then, capsys)
        elif program in {"python", "bun"}:
            source = (ROOT / rest[0]).read_text()
            assert all(re.search(rf"\b{flag.strip('-')}\b", source) for flag in FLAG.findall(line))
        elif program == "pip":
            assert rest == ["install", "."]
        else:
            check_flags(line.partition("#")[0], capsys)


def test_flags_of_clankvox_within_sentences_exist(capsys):
    for _, text in inside(re.compile(r"`(clankvox [a-z-][^`]*)`")):
        check_flags(text, capsys)


def check_flags(line, capsys):
    words = line.split()
    assert words[0] == "clankvox", line
    sub = SUBCOMMANDS.get(words[1] if len(words) > 1 else "")
    usage = USAGE
    if sub is not None:
        with pytest.raises(SystemExit):
            sub.main(["--help"])
        usage = capsys.readouterr().out
    assert all(re.search(rf"{flag}\b", usage) for flag in FLAG.findall(line)), line


def test_the_ten_lines_of_the_readme_drive_a_process(clankvox_on_the_path):
    (code,) = blocks("README.md", "python")
    names: dict = {}
    exec(compile(ast.parse(code), "README.md", "exec"), names)  # noqa: S102 - that is what a reader does
    names["send"]({"type": "join", "guildId": "1", "channelId": "2"})
    told = [
        json.loads(payload) for _, payload in zip(range(2), (frame[1] for frame in names["frames"]()), strict=False)
    ]
    assert [event["type"] for event in told] == ["process_ready", "adapter_send"]
    names["send"]({"type": "destroy"})
    assert {json.loads(payload)["type"] for _, payload in names["frames"]()} <= {"dave_state"}
    names["vox"].stdin.close()
    names["vox"].stdout.close()
    assert names["vox"].wait(10) == 0


def test_the_asyncio_parent_drives_a_process(clankvox_on_the_path):
    names: dict = {}
    exec(compile(blocks("parents.md", "python")[0], "parents.md", "exec"), names)  # noqa: S102 - as above
    told = []

    async def on_event(event, send):
        told.append(event["type"])
        await send({"type": "join", "guildId": "1", "channelId": "2"} if len(told) == 1 else {"type": "destroy"})

    assert asyncio.run(names["serve"](on_event, None)) == 0
    assert told[:2] == ["process_ready", "adapter_send"]


@pytest.mark.parametrize("capture_id", [None, "k1"])
def test_captured_pcm_is_read_as_shown(capture_id):
    names: dict = {}
    exec(compile(blocks("parents.md", "python")[1], "parents.md", "exec"), names)  # noqa: S102 - as above
    pcm = struct.pack("<4h", 1, -2, 900, -4)
    payload = bytes(frame_user_audio(UserId(42), capture_id, pcm, 900, 1, 4))[5:]
    assert names["user_audio"](payload) == (42, capture_id, pcm)


NODE_END = """
const told: string[] = [];
function onEvent(event: { type: string }) {
  told.push(event.type);
  if (told.length === 1) send({ type: "join", guildId: "1", channelId: "2" });
  else if (told.length === 2) send({ type: "destroy" });
}
function onAudio(_payload: Buffer) {}
vox.on("exit", (code) => console.log(JSON.stringify([code, told])));
"""
BUN_BEGIN = """
let told = "";
function onBytes(bytes: Buffer) {
  told += bytes.toString("latin1");
  if (!told.includes("adapter_send")) send({ type: "join", guildId: "1", channelId: "2" });
  else send({ type: "destroy" });
}
"""
BUN_END = (
    'console.log(JSON.stringify([await vox.exited, [...told.matchAll(/"type":"(\\w+)"/g)].map((found) => found[1])]));'
)


@pytest.mark.parametrize("number", [0, 1], ids=["node", "bun"])
def test_the_blocks_of_typescript_drive_a_process(clankvox_on_the_path, tmp_path, number):
    code = blocks("parents.md", "ts")[number]
    script = tmp_path / "parent.ts"
    script.write_text(BUN_BEGIN + code + BUN_END if number else code + NODE_END)
    assert BUN.exists(), "Bun is not installed: run `make peers`"
    done = subprocess.run([str(BUN), str(script)], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    code, told = json.loads(done.stdout)
    assert (code, told[:2]) == (0, ["process_ready", "adapter_send"])
