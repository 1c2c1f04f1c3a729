"""What an operator sees of the real process: metrics over HTTP, logs, and the log events of legacy parents."""

import http.client
import json
import os
import signal
import subprocess

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from clankvox.demo.parent import VoxParent
from tests.support.process_call import COMMAND, DEADLINE_S, Call, chirp, eventually, frames_of, run

WORD = chirp(0.5)


@pytest.fixture
def vox(trust):
    with VoxParent(env=trust, args=("--metrics-addr", "127.0.0.1:0", "--log-format", "json")) as parent:
        yield parent
    assert parent.exit_code == 0


def records(vox, message):
    return [entry for text in vox.stderr_lines if (entry := json.loads(text))["message"] == message]


def scrape(vox):
    port = eventually(lambda: records(vox, "metrics are served"), "the port of the metrics")[0]["fields"]["port"]
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE_S)
    connection.request("GET", "/metrics", headers={"Accept": "application/openmetrics-text"})
    families = list(text_string_to_metric_families(connection.getresponse().read().decode()))
    connection.close()
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value for family in families for sample in family.samples
    }


def test_metrics_show_what_a_call_did(vox, discord, tmp_path):
    call = Call(vox, discord)
    call.listener(tmp_path)
    call.enter()
    call.say(WORD, "p1", rate_hz=48_000)
    call.wait_said("p1")
    found = scrape(vox)
    sent = found["clankvox_rtp_packets_total", "audio", "out", "voice"]
    assert sent >= len(WORD) / 960
    assert sent == found["clankvox_audio_frames_made_total", "sent"]
    assert found["clankvox_send_lateness_seconds_count",] == sent
    assert found["clankvox_mailbox_depth", "router"] >= 0
    assert found["clankvox_ipc_dropped_total", "control"] == 0
    stats = eventually(lambda: vox.events_of("transport_stats"), "transport_stats")[-1].body
    assert stats["outbound"]["rtpAudioSent"] <= scrape(vox)["clankvox_rtp_packets_total", "audio", "out", "voice"]
    call.hang_up()


def test_sigusr1_shows_stacks_and_counters_and_the_process_goes_on(vox, discord):
    vox.wait_for("process_ready")
    eventually(lambda: ("clankvox_mailbox_depth", "playback") in scrape(vox), "the end of the start")
    os.kill(vox.pid, signal.SIGUSR1)
    eventually(lambda: any('"type":"inspect"' in line for line in vox.stderr_lines), "the actors")
    lines = list(vox.stderr_lines)
    assert any(line.startswith("Thread 0x") for line in lines)
    shown = [json.loads(line) for line in lines if line.startswith("{")]
    mailboxes = next(entry["fields"] for entry in shown if entry.get("message") == "mailboxes")
    assert {"router", "connection", "dave", "playback"} <= mailboxes.keys()
    counters = next(entry["fields"] for entry in shown if entry.get("message") == "counters")
    assert counters["uptimeMs"] > 0
    assert {"router", "playback"} <= {actor["kind"] for actor in shown[-1]["actors"]}


def test_a_parent_without_ids_gets_log_records_as_events_and_one_with_ids_gets_none(trust, discord):
    for connection_id in (None, "c1"):
        with VoxParent(env=trust) as vox:
            call = Call(vox, discord, connection_id=connection_id)
            call.enter()
            call.hang_up()
            logs = [event.body for event in vox.events_of("log")]
        names = [body["message"] for body in logs]
        if connection_id is None:
            assert vox.events[0].type == "process_ready"
            assert "clankvox_voice_ready" in names
            assert {body["level"] for body in logs} <= {"info", "warn", "error"}
            assert all(body["target"].startswith("clankvox::") for body in logs)
        else:
            assert names == []


def test_logs_that_nobody_reads_hold_nothing_up():
    """stderr is a pipe that stays full; every command is carried out, and the process ends in time."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    try:
        while True:
            os.write(writer, b"x" * 4096)
    except BlockingIOError:
        os.set_blocking(writer, True)
    lines = b"".join(
        b'{"type":"join","guildId":"1","channelId":"%d"}\n{"type":"leave"}\n' % number for number in range(1, 200)
    )
    done = subprocess.run(
        [*COMMAND, "--log-level", "debug"],
        input=lines,
        stdout=subprocess.PIPE,
        stderr=writer,
        timeout=DEADLINE_S,
        check=False,
    )
    os.close(writer)
    os.close(reader)
    assert done.returncode == 0
    asked = [entry for entry in frames_of(done.stdout) if entry.body["type"] == "adapter_send"]
    assert len(asked) == 2 * 199


def test_an_error_that_repeats_floods_nobodys_logs():
    done = run(*[b"no json"] * 500, args=["--log-format", "json"])
    logged = [json.loads(text) for text in done.stderr.splitlines()]
    assert len([entry for entry in logged if entry["message"] == "error"]) == 20
    assert len(done.events) >= 500


def test_a_metrics_address_that_is_taken_costs_a_log_line_and_no_call(vox):
    eventually(lambda: records(vox, "metrics are served"), "the port")
    port = records(vox, "metrics are served")[0]["fields"]["port"]
    done = run(args=["--metrics-addr", f"127.0.0.1:{port}", "--log-format", "json"])
    assert done.events[0]["type"] == "process_ready"
    assert "metrics are not served" in done.stderr
