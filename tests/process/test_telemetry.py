"""What an operator sees of the real process: metrics over HTTP, logs, and the log events of legacy parents."""

import http.client
import json
import os
import re
import signal
import subprocess

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from prometheus_client.parser import text_string_to_metric_families as parse_text

from clankvox.demo.parent import VoxParent
from clankvox.ids import Role
from clankvox.ipc.commands import COMMANDS
from tests.support.process_call import COMMAND, DEADLINE_S, Call, chirp, eventually, frames_of, line, run, write_wav
from tests.support.published import film
from tests.support.stream_call import StreamCall
from tools.contract import command_example

WORD = chirp(0.5)


@pytest.fixture
def vox(trust):
    with VoxParent(env=trust, args=("--metrics-addr", "127.0.0.1:0", "--log-format", "json")) as parent:
        yield parent
    assert parent.exit_code == 0


def records(vox, message):
    return [entry for text in vox.stderr_lines if (entry := json.loads(text))["message"] == message]


def fetch(vox, accept="application/openmetrics-text"):
    """Return content type and text of one scrape."""
    port = eventually(lambda: records(vox, "metrics are served"), "the port of the metrics")[0]["fields"]["port"]
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE_S)
    connection.request("GET", "/metrics", headers={"Accept": accept})
    answer = connection.getresponse()
    page = answer.getheader("Content-Type"), answer.read().decode()
    connection.close()
    return page


def scrape(vox):
    """Return every sample by its name and labels."""
    families = text_string_to_metric_families(fetch(vox)[1])
    return Samples(
        {(sample.name, *sorted(sample.labels.values())): sample.value for each in families for sample in each.samples}
    )


class Samples(dict):
    """Values by name and labels."""

    def total(self, name, *labels):
        """Sum over all samples of `name` that have all of `labels`."""
        return sum(value for key, value in self.items() if key[0] == name and set(labels) <= set(key[1:]))


def test_the_page_is_valid_openmetrics_to_its_end_and_prometheus_text_for_who_asks_for_that(vox):
    content_type, text = fetch(vox)
    assert content_type.startswith("application/openmetrics-text; version=1.0.0")
    assert text.endswith("\n# EOF\n")
    assert {family.name for family in text_string_to_metric_families(text)} >= {"clankvox_build", "process_cpu_seconds"}
    content_type, text = fetch(vox, "text/plain")
    assert content_type.startswith("text/plain")
    assert list(parse_text(text))


@pytest.fixture(scope="module")
def whole_call(trust, discord, tmp_path_factory):
    """What `inspect` and a scrape say after a call with all there is.

    Speech both ways, music, a watched and a published stream, and two lost connections.
    """
    word = write_wav(tmp_path_factory.mktemp("said") / "word.wav", WORD)
    with VoxParent(env=trust, args=("--metrics-addr", "127.0.0.1:0", "--log-format", "json", "--allow-files")) as vox:
        call = Call(vox, discord)
        call.enter()
        user = call.add(file=word, receive=True, startMs=300)
        call.subscribe(user, "k1", silenceDurationMs=200)
        vox.wait_for("user_audio_end")
        call.say(WORD, "p1", rate_hz=48_000)
        call.wait_said("p1")
        stream = StreamCall(call, "stream_watch")
        shown = stream.add("publisher", width=320, height=192)
        stream.subscribe(shown)
        stream.connect()
        stream.wait_pictures(shown, 3)
        stream.leave()
        vox.send({"type": "music_play", "musicId": "m1", "url": str(word), "resolvedDirectUrl": True})
        publish(StreamCall(call, "stream_publish"))
        vox.wait_for("music_idle", musicId="m1")
        for code in (4015, 4006):
            since = vox.mark()
            call.close(code)
            vox.wait_for("connection_state", since=since, status="reconnecting")
            if code == 4006:
                vox.wait_for("adapter_send", since=since)
                call.credentials()
            vox.wait_for("connection_state", since=since, status="ready")
        call.hang_up()
        vox.send({"type": "inspect"})
        yield vox.wait_for("inspect").body["counters"], scrape(vox)


def publish(stream):
    """Show a film with its sound, until somebody has seen some of it."""
    watcher = stream.add("watcher")
    stream.enter()
    path = film(pictures=60, sound=True)
    stream.vox.send({"type": "stream_publish_play", "url": str(path), "resolvedDirectUrl": True, "withAudio": True})
    stream.wait_watched(watcher, 5)
    eventually(lambda: stream.seen(watcher)["decrypted"].get(stream.call.me, 0) > 5, "its sound")
    stream.leave()


def test_packets_and_frames_are_the_same_numbers_in_the_metrics_and_for_the_parent(whole_call):
    told, found = whole_call
    total = found.total
    sent, heard, seen = told["outbound"], told["inboundAudio"], told["inboundVideo"]
    assert total("clankvox_rtp_packets_total", "in", "audio") == heard["packets"] > 0
    assert total("clankvox_rtp_packets_total", "in", "video") == seen["packets"] > 0
    assert found["clankvox_rtp_packets_total", "in", "stream_watch", "video"] == seen["packets"]
    assert found["clankvox_rtp_packets_total", "audio", "out", "voice"] == sent["rtpAudioSent"] >= len(WORD) / 960
    assert found["clankvox_rtp_packets_total", "audio", "out", "stream_publish"] == sent["streamAudioSent"] > 0
    assert found["clankvox_rtp_packets_total", "out", "stream_publish", "video"] == sent["videoPacketsSent"] > 0
    for fate, count in told["audioFates"].items():
        assert total("clankvox_audio_packet_fates_total", snake(fate)) == count, fate
    assert told["audioFates"]["decoded"] > 0
    losses = [set(key[1:]) for key in found if key[0] == "clankvox_frames_lost_total" and "audio" in key]
    causes = set.union(*losses) - {"audio", *Role}
    assert {"lost", "concealed", "no_key"} <= causes
    for cause in causes:
        assert total("clankvox_frames_lost_total", "audio", cause) == told["audioFates"][camel(cause)], cause
    assert total("clankvox_frames_lost_total", "video", "incomplete") == seen["framesIncomplete"]
    assert total("clankvox_frames_lost_total", "video", "decode_queue_full") == seen["decodeDropped"]
    assert total("clankvox_dave_decrypt_failures_total", "video") == seen["daveDecryptFail"]
    assert total("clankvox_transport_decrypt_failures_total", "audio") == heard["transportDecryptFail"]
    assert total("clankvox_transport_decrypt_failures_total", "video") == seen["transportDecryptFail"]
    for fate in ("sent", "refused", "unsealed", "dropped"):
        name = "rtpAudioSent" if fate == "sent" else f"frames{fate.capitalize()}"
        assert found["clankvox_audio_frames_made_total", fate] == sent[name]
    assert found["clankvox_video_frames_made_total", "sent"] == sent["videoFramesSent"] > 0
    assert found["clankvox_video_frames_made_total", "dropped"] == sent["videoFramesDropped"]
    in_and_out = {
        "lost": (("in", seen["lost"]),),
        "stale": (("out", sent["videoPacketsStale"]),),
        "refused": (("out", sent["videoSendFailures"]),),
        "asked": (("in", seen["nacked"]), ("out", sent["videoNacked"])),
        "repeated": (("in", seen["rtxRecovered"]), ("out", sent["videoRetransmitted"])),
        "keyframe_asked": (("in", seen["plis"]), ("out", sent["videoKeyframeRequests"])),
    }
    for label, counted in in_and_out.items():
        name = f"clankvox_video_{'packets_lost' if label in {'lost', 'stale', 'refused'} else 'repairs'}_total"
        assert [total(name, way, label) for way, _ in counted] == [count for _, count in counted], label
    for source in ("tts", "music"):
        assert found["clankvox_underruns_total", source] == sent[f"{source}Underruns"], source


def test_slots_links_and_lanes_are_the_same_numbers_in_the_metrics_and_for_the_parent(whole_call):
    told, found = whole_call
    total = found.total
    tick, links = told["tick"], told["links"]
    assert found["clankvox_pacing_slots_total",] == tick["total"] > 0
    assert found["clankvox_pacing_slots_missed_total",] == tick["skipped"]
    assert found["clankvox_send_lateness_seconds_count",] == tick["sends"] > 0
    assert found["clankvox_send_lateness_seconds_sum",] * 1000 == pytest.approx(tick["lateMs"])
    assert tick["sends"] - found["clankvox_send_lateness_seconds_bucket", "0.005"] == tick["lateOver5Ms"]
    assert total("clankvox_links_lost_total") == links["lost"] == 2
    assert found["clankvox_reconnects_total", "4015", "resumed", "voice"] == links["resumed"] == 1
    assert found["clankvox_reconnects_total", "4006", "new_session", "voice"] == links["newSession"] == 1
    assert total("clankvox_dave_transition_seconds_count") == links["daveTransitions"] > 0
    assert total("clankvox_dave_transition_seconds_sum") * 1000 == pytest.approx(links["daveTransitionMs"])
    assert found["clankvox_jitter_seconds", "voice"] * 1000 == pytest.approx(links["jitterMs"])
    for lane in ("control", "audio", "video"):
        assert found["clankvox_ipc_dropped_total", lane] == told["ipcLanes"][f"{lane}Dropped"]
    assert {key[1] for key in found if key[0] == "clankvox_mailbox_depth"} <= told["mailboxes"].keys()
    assert total("clankvox_actor_restarts_total") == sum(told["restarts"].values()) == 0
    assert found["clankvox_uptime_seconds",] * 1000 >= told["uptimeMs"]


def snake(name):
    return re.sub("([A-Z])", r"_\1", name).lower()


def camel(name):
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)


def test_a_crash_of_native_code_says_where_every_thread_was(trust):
    with VoxParent(env=trust) as vox:
        vox.send({"type": "inspect"})
        vox.wait_for("inspect")
        os.kill(vox.pid, signal.SIGSEGV)
        assert vox.wait_exit() == -signal.SIGSEGV
        told = "\n".join(vox.stderr_lines)
    assert "Fatal Python error: Segmentation fault" in told
    assert "shells/stdio.py" in told
    assert "shells/pacer.py" in told


def test_sigusr1_shows_stacks_and_counters_and_the_process_goes_on(vox, discord):
    vox.wait_for("process_ready")
    eventually(lambda: ("clankvox_mailbox_depth", "playback") in scrape(vox), "the end of the start")
    os.kill(vox.pid, signal.SIGUSR1)
    eventually(lambda: any('"type":"inspect"' in line for line in vox.stderr_lines), "the actors")
    lines = list(vox.stderr_lines)
    assert any(line.startswith("Thread pacer (most recent call first)") for line in lines)
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


def hostile(value, token):
    """Return `value`, an example of the contract, with `token` in place of every text that is no id and no media."""
    if isinstance(value, dict):
        kept = ("type", "pcmBase64", "frameBase64", "mimeType", "role")
        return {key: each if key in kept else hostile(each, token) for key, each in value.items()}
    return token if isinstance(value, str) and not value.isdigit() else value


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_no_secret_that_is_given_in_any_field_of_any_command_is_logged_or_told(log_format):
    """Tokens as Discord makes them, in every text of every command, and in lines that are none; logged as debug."""
    voice, session, bot = "4f2a9c01be77d3e5", "0b5c7d9e" * 4, "MTk4NjIy.GhT5pq.aZ0-" + "x" * 34
    tokens = (voice, session, bot, f"wss://user:{voice}@media.example/path?token={session}")
    commands = [{**command_example(tag), "reason": "r"} for tag in COMMANDS if tag != "destroy"]
    broken = ("%s", '{"type":"%s"}', '{"type":"join","guildId":"%s","channelId":"1"}', '{"type":"leave","%s":7}')
    lines = [line(**hostile(each, token)) for token in tokens for each in commands]
    lines += [(each % token).encode() for token in tokens for each in broken]
    done = run(*lines, args=["--log-level", "debug", "--log-format", log_format])
    logs = [json.dumps(entry.body) for entry in done.entries if entry.body["type"] in {"log", "error"}]
    assert "transport state" in done.stderr
    for secret in (voice, session, bot, "media.example"):
        assert secret not in done.stderr
        assert not [text for text in logs if secret in text]


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
    assert [entry["fields"]["count"] for entry in logged if entry["message"] == "records left out"] == [480]
    assert len(done.events) >= 500


def test_a_mistyped_setting_in_the_environment_is_warned_of_by_its_name_alone():
    with VoxParent(env={"CLANKVOX_LOGLEVEL": "not to be shown"}) as vox:
        vox.send({"type": "destroy"})
        vox.wait_exit()
    (warning,) = [json.loads(text) for text in vox.stderr_lines if "there is no such setting" in text]
    assert (warning["level"], warning["fields"]) == ("warning", {"variable": "CLANKVOX_LOGLEVEL"})
    assert not any("not to be shown" in text for text in vox.stderr_lines)


def test_a_metrics_address_that_is_taken_costs_a_log_line_and_no_call(vox):
    eventually(lambda: records(vox, "metrics are served"), "the port")
    port = records(vox, "metrics are served")[0]["fields"]["port"]
    done = run(args=["--metrics-addr", f"127.0.0.1:{port}", "--log-format", "json"])
    assert done.events[0]["type"] == "process_ready"
    assert "metrics are not served" in done.stderr
