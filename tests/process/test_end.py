"""How the process ends: with code 0, its last events, and nothing left behind."""

import os
import signal
import subprocess
import sys

import numpy as np
import psutil
import pytest

from clankvox.demo.offline import OfflineDiscord
from clankvox.demo.parent import VoxParent
from tests.support.process_call import (
    COMMAND,
    DEADLINE_S,
    Call,
    bodies,
    frames_of,
    interrupt,
    line,
    run,
    wait_gone,
)

ENDINGS = {
    "destroy": lambda vox: vox.send({"type": "destroy"}),
    "end_of_input": lambda vox: vox.close_stdin(),
    "sigterm": lambda vox: interrupt(vox, signal.SIGTERM),
    "sigint": lambda vox: interrupt(vox, signal.SIGINT),
    "sighup": lambda vox: interrupt(vox, signal.SIGHUP),
}


PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-m", "clankvox", *sys.argv[1:]], stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE)
child.stdout.read(5)
print(child.pid, flush=True)
time.sleep(600)
"""

SIBLING = """
import os, subprocess, sys
child = subprocess.Popen([sys.executable, "-m", "clankvox", *sys.argv[1:]], stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE)
child.stdout.read(int.from_bytes(child.stdout.read(5)[1:], "little"))
if os.fork():
    print(child.pid, flush=True)
    os.kill(os.getpid(), 9)
sys.stdin.readline()  # who was forked holds the parent's ends of both pipes
for _ in range(50):
    os.write(child.stdin.fileno(), b'{"type":"inspect"}\\n')
    size = int.from_bytes(child.stdout.read(5)[1:], "little")
    if not child.stdout.read(size):
        break
else:
    print("lives", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("ending", ENDINGS)
def test_every_ending_is_code_0_after_the_contracts_last_events_and_without_an_op_4(last_call, ending):
    last_call.say(np.full(2_400, 900, np.int16), "p1")  # alone in the channel: it stays buffered
    last_call.wait_for("tts_playback_state", playbackId="p1", status="buffered")
    since = last_call.vox.mark()
    ENDINGS[ending](last_call.vox)
    assert last_call.vox.wait_exit() == 0
    assert last_call.told(since) == [
        {"type": "tts_playback_state", "playbackId": "p1", "status": "stopped", "reason": "destroy", "playedMs": 0},
        {"type": "dave_state", "role": "voice", "connectionId": "c1", "status": "cleared"},
    ]


def test_the_gateway_sees_a_client_that_leaves_and_not_one_that_is_lost(last_call):
    last_call.vox.send({"type": "destroy"})
    assert last_call.vox.wait_exit() == 0
    assert last_call.discord.wait_for("left", userId=last_call.me)["reason"] == "left"


def test_a_hangup_that_is_ignored_where_it_was_started_ends_nothing():
    code = "import os, signal, sys; signal.signal(signal.SIGHUP, signal.SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", code, *COMMAND], **pipes) as process:
        for _ in range(2):  # before the app is there to take signals, and then
            process.stdout.read(int.from_bytes(process.stdout.read(5)[1:], "little"))
            process.send_signal(signal.SIGHUP)
            process.stdin.write(line(type="inspect") + b"\n")
            process.stdin.flush()
        assert process.stdout.read(1) == b"\0"
        process.stdin.close()
        assert process.wait(DEADLINE_S) == 0


def test_leave_and_destroy_in_one_write_ask_for_no_channel(last_call):
    since = last_call.vox.mark()
    last_call.vox.send_line(line(type="leave") + b"\n" + line(type="destroy"))
    assert last_call.vox.wait_exit() == 0
    assert [event for event in last_call.told(since) if event["type"] == "adapter_send"] == [
        {
            "type": "adapter_send",
            "payload": {
                "op": 4,
                "d": {"guild_id": last_call.guild, "channel_id": None, "self_mute": False, "self_deaf": False},
            },
        }
    ]


def test_nothing_behind_destroy_is_carried_out():
    join = line(type="join", connectionId="c1", guildId="10", channelId="20")
    assert [event["type"] for event in run(line(type="destroy"), join).events] == ["process_ready"]


def test_an_unterminated_tail_at_the_end_of_input_is_carried_out():
    events = run(end=line(type="join", guildId="10", channelId="20")).events
    assert [event["type"] for event in events] == ["process_ready", "adapter_send"]


def test_a_parent_that_closes_its_end_of_stdout_ends_the_process():
    process = subprocess.Popen(COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    with process:
        assert process.stdout.read(5)[0] == 0
        process.stdout.close()
        process.stdin.write(line(type="join", guildId="10", channelId="20") + b"\n")  # what it answers breaks the pipe
        process.stdin.flush()
        assert process.wait(DEADLINE_S) == 74


def test_a_parent_that_is_deaf_before_the_first_frame_ends_the_process_without_a_traceback():
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        COMMAND, stdout=writer, stdin=subprocess.PIPE, stderr=subprocess.PIPE, timeout=20, check=False
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (74, b"")


@pytest.mark.parametrize(
    ("closed", "code"), [("<&-", 0), (">&-", 74), ("2>&-", 0), ("<&- 2>&-", 0), ("<&- >&- 2>&-", 74)]
)
def test_descriptors_that_the_parent_has_closed_are_nobody_elses(closed, code):
    """What is opened next would get their numbers: stdin's duplicate that of stderr, so that logs went there."""
    shell = ["sh", "-c", f'exec "$@" {closed}', "sh", *COMMAND]
    lines = line(type="join", guildId="10", channelId="20") + b"\n"
    done = subprocess.run(shell, input=lines, capture_output=True, timeout=20, check=False)
    assert (done.returncode, b"Traceback" in done.stderr) == (code, False)
    told = [event["type"] for event in bodies(frames_of(done.stdout))]
    assert told == {0: ["process_ready"], 74: []}[code] + ["adapter_send"] * (closed == "2>&-")


def test_a_stalled_parent_cannot_keep_the_process_from_ending():
    process = subprocess.Popen(COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    with process:
        flood = line(type="inspect", pad="x" * 200) + b"\n"
        process.stdin.write(flood * 4_000)  # their answers fill the pipe, which nobody reads
        process.stdin.flush()
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE_S) in (0, -signal.SIGTERM)  # the latter: before it had taken the signal over


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="pidfd")
@pytest.mark.parametrize("subcommand", [[], ["loopback"]])
def test_nothing_is_left_of_the_process_when_its_parent_is_killed(subcommand):
    with subprocess.Popen([sys.executable, "-c", PARENT, *subcommand], stdout=subprocess.PIPE) as parent:
        pid = int(parent.stdout.readline())
        parent.kill()
    wait_gone(pid)


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="pidfd")
def test_the_process_ends_with_its_parent_though_a_sibling_holds_the_pipes():
    with subprocess.Popen([sys.executable, "-c", SIBLING], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        pid = int(parent.stdout.readline())
        parent.wait(DEADLINE_S)
        wait_gone(pid)


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="pidfd")
def test_who_is_told_to_outlives_a_launcher_until_its_stdin_ends():
    launcher = [sys.executable, "-c", SIBLING, "--outlive-parent"]
    with subprocess.Popen(launcher, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        pid = int(parent.stdout.readline())
        parent.wait(DEADLINE_S)
        parent.stdin.write(b"\n")
        parent.stdin.flush()
        assert parent.stdout.readline() == b"lives\n"
    wait_gone(pid)


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="pidfd")
def test_nothing_is_left_of_a_killed_offline_discord_and_the_process_goes_on():
    with OfflineDiscord(["--no-tls"]) as discord, VoxParent() as vox:
        call = Call(vox, discord)
        call.enter()
        call.add(tone=300, library="libdave")
        (server,) = (
            child for child in psutil.Process().children() if "loopback" in child.cmdline() and is_ours(child, discord)
        )
        members = server.children(recursive=True)
        assert members
        server.kill()
        for member in members:
            wait_gone(member.pid)
        vox.wait_for("transport_state", role="voice", status="reconnecting")
        since = vox.mark()
        vox.send({"type": "leave"})
        vox.wait_for("transport_state", role="voice", status="disconnected", since=since)
        vox.send({"type": "destroy"})
        assert vox.wait_exit() == 0


def is_ours(child, discord):
    return "--no-tls" in child.cmdline() and discord.endpoint.startswith("ws://")
