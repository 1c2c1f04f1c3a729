"""The command as its users run it: a process, JSON lines on stdin and stdout."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from clankvox.loopback import cli
from tests.support.raw_client import RawClient

pytestmark = pytest.mark.process


class Running:
    def __init__(self, *arguments):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "clankvox.loopback", *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self.listening = self.line()

    def line(self, kind=None):
        while True:
            fields = json.loads(self.process.stdout.readline())
            if kind in (None, fields["type"]):
                return fields

    def tell(self, line):
        self.process.stdin.write(line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n")
        self.process.stdin.flush()

    def as_discord(self):
        ca_file = self.listening["caFile"]
        return SimpleNamespace(endpoint=self.listening["endpoint"], ca_file=ca_file and Path(ca_file))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait(10)
        self.process.stdin.close()
        self.process.stdout.close()


def test_the_first_line_says_where_it_listens_and_a_client_can_verify_it():
    with Running() as running:
        first = running.listening
        assert first.keys() == {"type", "endpoint", "tls", "caFile", "udpPort"}
        assert first["type"] == "listening"
        assert first["tls"] is True
        assert first["endpoint"].startswith("127.0.0.1:")
        with RawClient(running.as_discord(), 1):
            joined = running.line("joined")
            assert (joined["userId"], joined["serverId"], joined["channelId"]) == ("1", "5", "6")
        assert running.line("left")["userId"] == "1"


def test_without_tls_the_endpoint_begins_with_ws():
    with Running("--no-tls", "--token", "token") as running:
        assert running.listening["endpoint"].startswith("ws://127.0.0.1:")
        assert running.listening["caFile"] is None
        with RawClient(running.as_discord(), 1):
            running.line("joined")


def test_each_order_is_answered_and_a_bad_line_does_not_end_it(tmp_path):
    with Running("--ca-file", str(tmp_path / "ca.pem")) as running:
        assert running.listening["caFile"] == str(tmp_path / "ca.pem")
        for bad in (
            b"nonsense\n",
            b"\xff\xfe\n",
            b'{"type":"close"}\n',
            b"[" * 90_000 + b"\n",
            b"x" * 3_000_000 + b"\n",
        ):
            running.tell(bad)
            assert running.line()["type"] == "error"
        running.tell({"type": "close", "userId": "7", "code": 4015, "id": 5})
        refused = running.line()
        assert (refused["type"], refused["command"], refused["id"]) == ("error", "close", 5)
        running.tell(b"\n")
        running.tell({"type": "impair", "loss": 0.5})
        assert running.line() == {"type": "ok", "command": "impair"}
        running.tell({"type": "stats"})
        assert running.line()["rooms"] == []


@pytest.mark.parametrize("how", ["eof", "SIGTERM", "SIGINT"])
def test_it_ends_cleanly(how):
    with Running() as running:
        ca_file = Path(running.listening["caFile"])
        assert ca_file.exists()
        with RawClient(running.as_discord(), 1) as client:
            running.line("joined")
            if how == "eof":
                running.process.stdin.close()
            else:
                running.process.send_signal(signal.Signals[how])
            assert client.wait_closed() == 1001
        assert running.process.wait(10) == 0
        assert not ca_file.exists()


def test_it_can_outlive_its_stdin():
    with Running("--serve-forever", "--no-tls") as running:
        running.process.stdin.close()
        with RawClient(running.as_discord(), 1):
            running.line("joined")
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(10) == 0


def test_a_taken_port_is_an_error_line_and_an_exit_code():
    with Running("--no-tls") as running:
        port = running.listening["endpoint"].rpartition(":")[2]
        with Running("--port", port) as second:
            assert second.listening["code"] == "cannot_listen"
            assert second.process.wait(10) == 69


def test_a_reader_that_goes_away_does_not_stop_the_server():
    with Running("--no-tls") as running:
        running.process.stdout.close()
        with RawClient(running.as_discord(), 1) as first, RawClient(running.as_discord(), 2) as second:
            first.wait_ready()
            second.wait_ready()
        running.process.stdin.close()
        assert running.process.wait(10) == 0


@pytest.mark.parametrize("arguments", [["--port", "70000"], ["--channel", "5"], ["--heartbeat-interval-ms", "0"]])
def test_bad_arguments_are_refused(arguments, capsys):
    with pytest.raises(SystemExit) as refused:
        cli.main(arguments)
    assert refused.value.code == 2


def test_how_video_is_treated_can_be_said_on_the_command_line():
    options = cli._options(cli._parser().parse_args(["--no-pli", "--no-nack", "--stap-a"]))
    assert (options.video.pli, options.video.nack, options.video.stap_a) == (False, False, True)
    options = cli._options(cli._parser().parse_args([]))
    assert (options.video.pli, options.video.nack, options.video.stap_a) == (True, True, False)


def test_a_publisher_and_a_watcher_meet_by_orders_alone():
    with Running("--no-tls") as running:
        running.tell({"type": "add_stream", "userId": "3", "serverId": "1400", "sessionId": "s"})
        answer = running.line()
        assert (answer["endpoint"], answer["daveChannelId"]) == (running.listening["endpoint"], "1399")
        running.tell({"type": "add_publisher", "userId": "1", "serverId": "1400", "width": 160, "height": 96})
        running.tell({"type": "add_watcher", "userId": "2", "serverId": "1400"})
        assert running.line("watched")["of"] == "1"
