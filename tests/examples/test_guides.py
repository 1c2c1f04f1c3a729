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

from clankvox import audio_lane, log, outbox, ports
from clankvox.__main__ import USAGE
from clankvox.actors import music, music_leaving
from clankvox.config import parse
from clankvox.demo import cli as demo
from clankvox.doctor import cli as doctor
from clankvox.ids import UserId
from clankvox.ipc.commands import COMMANDS
from clankvox.ipc.events import EVENTS
from clankvox.ipc.framing import frame_user_audio
from clankvox.loopback import cli as loopback
from clankvox.loopback import commands as orders
from clankvox.media import (
    browser_pictures,
    change_score,
    decode_queue,
    frame_assembler,
    frame_stash,
    jitter,
    keyframe_gate,
    keyframe_policy,
    mixer,
    nack,
    opus_encoder,
    png_picture,
    publish_line,
    retransmitter,
    sender_binding,
    silence_tail,
    speaker,
    speech_decoder,
    track_buffer,
    track_voice,
    tts_buffer,
    video_receiver,
    video_reorder,
    video_sender,
    video_stream,
)
from clankvox.media.video_target import HD_720
from clankvox.shells import log_writer, udp, udp_link, video_lane
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
NODE = "node"
BUN = Path(__file__).parent / "node_modules" / ".bin" / "bun"
RUN = {"README.md": ["python"], "parents.md": ["js", "ts", "python", "python"]}
"""The blocks of code that are run below; another one needs a test too."""
INLINE_JSON = re.compile(r"`(\{\"type\":.*?\})`")
MODULE = re.compile(r"`([a-z_0-9]+/[a-z_0-9/]+\.(?:py|md|json))`")
WIRE_NAME = re.compile(r"`([a-z]+[A-Z]\w+)`")
FLAG = re.compile(r"(--[a-z][a-z-]+)")
OFFLINE = "".join(path.read_text() for path in sorted((ROOT / "clankvox" / "loopback").glob("*.py")))
"""Its answers have no schema: their names have to be somewhere in it, as they stand or in snake_case."""
SUBCOMMANDS = {"demo": demo, "doctor": doctor, "loopback": loopback}


def ms(seconds):
    return f"{seconds * 1000:g}"


def snake(name):
    return re.sub("([A-Z])", r"_\1", name).lower()


def mib(octets):
    return octets >> 20


COUNTED = ("none", "one", "two", "three", "four", "five", "six")


FIGURES = {
    "audio.md": (
        f"up to {udp_link._BATCH} datagrams at once",
        f"{speaker.HELD_FRAMES} packets or {speaker.HELD_S:g} s a stream",
        f"{speaker.HELD_FRAMES} frames or {speaker.HELD_S:g} s |",
        f"{ms(jitter.SHORTEST_WAIT_S)} to {ms(jitter.LONGEST_WAIT_S)} ms behind a gap",
        f"{audio_lane.AUDIO_STREAM_MS // 1000} s a stream, {mib(audio_lane.AUDIO_BYTES)} MiB in all",
        f"PCM waits for the news that belong before it, {ms(audio_lane.HOLD_S)} ms at most",
        f"at most every {ms(sender_binding._SWEEP_INTERVAL_S)} ms",
        f"`speaking_end` {ms(speaker.SPEAKING_TIMEOUT_S)} ms without one",
        f"up to {speech_decoder._LONGEST_CONCEALED_TICKS // 48} ms in a row",
        f"filled with silence up to {speech_decoder._LONGEST_SILENCE_TICKS // 48_000} s",
        f"at most {tts_buffer.CAPACITY_SAMPLES // 48_000} s ({tts_buffer.CAPACITY_SAMPLES:,} samples)",
        f"in steps of {ms(tts_buffer._PREBUFFER_STEP_S)} ms up to {ms(tts_buffer.LONGEST_PREBUFFER_S)} ms",
        f"Less than a frame waits {ms(tts_buffer._PARTIAL_HOLD_S)} ms",
        f"leaves 40 to {ms(tts_buffer.FIRST_PREBUFFER_S)} ms after the first PCM",
        f"{track_voice.RAMP_SAMPLES // 48} ms of a track",
        f"{opus_encoder.LOOKAHEAD_SAMPLES / 48:g} ms of look-ahead",
        f"into a buffer of {track_buffer.CAPACITY_MS // 1000} s",
        f"with a cushion of {track_voice.CUSHION_SAMPLES // 48} ms",
        f"takes over fades in {ms(mixer.CROSSFADE_S)} ms",
        f"holds for {ms(mixer.SPEECH_PAUSE_S)} ms of pause",
        f"speech alone up to {COUNTED[ports.AHEAD_SLOTS]} |",
        f"speech without music up to {COUNTED[ports.AHEAD_SLOTS]} slots",
        f"woken when {COUNTED[ports.LOW_SLOTS]} are left",
        f"a resume are {music.RESUME_FADE_MS} ms or less",
        f"a stop is {music_leaving.FADE_OUT_MS} ms",
        f"from silence {music.FADE_IN_MS / 1000:g} s",
        f"sound {COUNTED[silence_tail.TAIL_FRAMES]} frames of silence leave",
        f"beyond a buffer of {mib(udp._BUFFER_BYTES)} MiB",
    ),
    "golive.md": (
        f"| {video_receiver.MOST_STREAMS} streams |",
        f"{ms(video_reorder.PATIENCE_S)} ms or {video_reorder.MOST_WAITING:,} packets behind a gap",
        f"{ms(video_reorder.HOPELESS_PATIENCE_S)} ms for a sender that repeats nothing",
        f"{mib(frame_assembler.MOST_FRAME_BYTES)} MiB, {frame_assembler.MOST_NALS:,} NAL units",
        f"{frame_stash.MOST_FRAMES}, {mib(frame_stash.MOST_BYTES)} MiB, {frame_stash.LONGEST_S:g} s",
        f"{decode_queue.MOST_WAITING} a stream, the oldest goes",
        f"{outbox.VIDEO_PICTURES} pictures, {mib(outbox.VIDEO_BYTES)} MiB",
        f"every {ms(nack.NACK_INTERVAL_S)} ms again (NACK)",
        f"after {ms(keyframe_gate.ANSWERED_INTERVAL_S)} ms where the sender has just answered",
        f"{ms(publish_line.READ_AHEAD_S)} ms ahead, up to {publish_line.SOUND_AHEAD_S:g} s of sound",
        f"at most {video_sender.MAX_PAYLOAD_BYTES:,} bytes of payload",
        f"{video_lane.PACKETS_A_SUB_SLOT} packets per {ms(video_lane.SUB_SLOT_S)} ms at most",
        f"spread over {publish_line._SPREAD * 100:.0f} % of the time",
        f"1,024 packets, at most {retransmitter.OLDEST_S:g} s old, {retransmitter.RATE_PACKETS} a second",
        f"more than {ms(publish_line.STALL_S)} ms late",
        f"encoded again every {ms(publish_line.REPEAT_S)} ms",
        f"(at most one per {ms(keyframe_policy.LEAST_INTERVAL_S)} ms)",
        f"waits longer than {publish_line.BEHIND_S:g} s for the wire",
        f"for more than {video_lane.LONGEST_BACKLOG_S:g} s is refused",
        f"at most {png_picture.MAX_PNG_BYTES:,} bytes",
        f"{COUNTED[browser_pictures.QUEUE_PICTURES]} wait, the oldest goes",
        f"| {HD_720.width} x {HD_720.height}, never stretched |",
        f"{HD_720.fps} pictures a second",
        f"{HD_720.bitrate_bps / 1e6:g} Mb/s, an IDR every {HD_720.gop_pictures} pictures",
        f"({change_score.COLUMNS} x {change_score.ROWS} luma)",
        f"PLI {['', 'once'][round(keyframe_gate.REQUEST_INTERVAL_S)]} a second",
        f"by FIR as well after {COUNTED[video_stream._FIR_AFTER_PLIS]} in vain",
    ),
    "operations.md": (
        f"{log.RATE_BURST} lines in {log.RATE_WINDOW_S:g} s",
        f"{log_writer.LINES:,} lines or {mib(log_writer.QUEUE_BYTES)} MiB wait",
    ),
}
"""What the guides say of figures that stand in the code, as they have to say it."""


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
    found = {page: [lang for lang in ("js", "ts", "python") for _ in blocks(page, lang)] for page in GUIDES}
    assert {page: languages for page, languages in found.items() if languages} == RUN
    known = {"", "sh", "js", "ts", "python", "json", "toml", "text", "mermaid"}
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


def modules_named_in_the_rooms():
    """`shells/` pacer, video_lane; `ledger`: what has no folder is a module of the package itself."""
    table = GUIDES["ARCHITECTURE.md"].partition("## The rooms")[2].partition("\n## ")[0]
    for row in re.findall(r"^\| .+? \| (.+) \|$", table, re.MULTILINE)[1:]:
        for group in row.split("; "):
            folder, names = re.fullmatch(r"(?:`(\w+/)` )?(.+)", group).groups()
            yield from ((folder or "") + name.strip("`") for name in names.split(", "))


def test_every_module_has_a_room_and_only_one():
    package = ROOT / "clankvox"
    elsewhere = ("loopback", "demo", "doctor", "fsm", "messages")  # by their names, or in one piece
    modules = {str(path.relative_to(package).with_suffix("")) for path in package.rglob("*.py")}
    there = {name for name in modules if not name.endswith("__init__") and name.partition("/")[0] not in elsewhere}
    assert sorted(modules_named_in_the_rooms()) == sorted(there)


@pytest.mark.parametrize(("page", "said"), [(page, said) for page in FIGURES for said in FIGURES[page]])
def test_figures_are_those_of_the_code(page, said):
    assert said in " ".join(GUIDES[page].split())


def test_every_name_of_the_wire_is_one():
    schema = {key for definition in whole()["$defs"].values() for key in definition.get("properties", {})}
    known = schema | {field for order in orders.get_args(orders.AnyCommand) for field in order.__struct_encode_fields__}
    strange = [(page, name) for page, name in inside(WIRE_NAME) if name not in known]
    assert not [each for each in strange if each[0] != "loopback.md"]
    assert not [name for _, name in strange if not re.search(rf"\b({name}|{snake(name)})\b", OFFLINE)]


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
const told = [];
function onEvent(event) {
  told.push(event.type);
  if (told.length === 1) send({ type: "join", guildId: "1", channelId: "2" });
  else if (told.length === 2) send({ type: "destroy" });
}
function onAudio(_payload) {}
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


@pytest.mark.parametrize(
    ("language", "name", "program"),
    [("js", "parent.mjs", NODE), ("js", "parent.mjs", BUN), ("ts", "parent.ts", BUN)],
    ids=["node", "node_in_bun", "bun"],
)
def test_the_blocks_of_javascript_drive_a_process(clankvox_on_the_path, tmp_path, language, name, program):
    (code,) = blocks("parents.md", language)
    script = tmp_path / name
    script.write_text(BUN_BEGIN + code + BUN_END if language == "ts" else code + NODE_END)
    assert BUN.exists(), "Bun is not installed: run `make peers`"
    done = subprocess.run([str(program), str(script)], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    code, told = json.loads(done.stdout)
    assert (code, told[:2]) == (0, ["process_ready", "adapter_send"])
