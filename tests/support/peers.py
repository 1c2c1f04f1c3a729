"""Third-party clients as child processes: what they are told, what they say, and whether they hear a tone."""

import itertools
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

from clankvox.demo.journal import Journal
from tests.support.pitch import Ear

PEERS = Path(__file__).parent.parent / "peers"
WAIT_S = 30.0


class Peer:
    """A context: starts the process on entry, ends it on exit. Its lines are kept in order."""

    command = ()
    trust = ""
    """The environment variable that names a certificate authority to trust."""
    hears = True

    def __init__(self, discord, user, server=5, channel=6):
        self.discord, self.user, self.server, self.channel = discord, str(user), str(server), str(channel)
        self.hz = None
        self._journal = Journal()
        self._sessions = itertools.count(1)

    def __enter__(self):
        environment = {**os.environ, self.trust: str(self.discord.ca_file)}
        self._process = subprocess.Popen(
            self.command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=PEERS.parent.parent
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def __exit__(self, kind, error, trace):
        self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join(5)

    def _read(self):
        with self._process.stdout as stream:
            for line in stream:
                self._journal.append(json.loads(line))
        self._journal.end()

    def order(self, kind, **fields):
        self._process.stdin.write(json.dumps({"type": kind, **fields}).encode() + b"\n")
        self._process.stdin.flush()

    @property
    def pid(self):
        return self._process.pid

    @property
    def lines(self):
        return self._journal.entries

    def lines_of(self, kind):
        return [line for line in self.lines if line["type"] == kind]

    def mark(self):
        return len(self._journal)

    def wait_for(self, kind, *, since=0, **fields):
        wanted = {"type": kind, **fields}.items()
        what = f"{type(self).__name__} {self.user}: {kind} {fields}"
        return self._journal.wait_for(lambda line: wanted <= line.items(), what, WAIT_S, since)[1]

    def join(self):
        since = self.mark()
        self.order(
            "join",
            endpoint=self.discord.endpoint,
            guildId=self.server,
            channelId=self.channel,
            userId=self.user,
            sessionId=f"session-{self.user}-{next(self._sessions)}",
            token=f"token-{self.user}",
        )
        self.wait_for("state", since=since, status="ready")
        return self

    def leave(self):
        since, happened = self.mark(), len(self.discord.happenings)
        self.order("leave")
        self.wait_for("state", since=since, status="destroyed")
        self.discord.wait_for(lambda it: (it["type"], it.get("userId")) == ("left", self.user), WAIT_S, happened)

    def play(self, hz, frames=None):
        """Speak a tone, for so many frames of 20 ms or until `stop`."""
        self.hz = hz
        self.order("play", hz=hz, frames=frames)
        return self

    def stop(self):
        self.order("stop")

    @property
    def faults(self):
        """What the library itself calls an error."""
        return self.lines_of("error")

    def wait_hears(self, user, hz, since):
        """Wait until line `since` is followed by a second of nothing but this tone from `user`."""
        ear = Ear(hz)

        def heard(line):
            if line["type"] == "heard" and line["userId"] == str(user):
                ear.take(line["hz"], line["purity"])
            return ear.satisfied

        what = f"{type(self).__name__} {self.user} hears {user} at {hz} Hz"
        self._journal.wait_for(heard, what, WAIT_S, since)


class DiscordJs(Peer):
    """@discordjs/voice, unmodified."""

    command = ("node", "--no-warnings", str(PEERS / "discordjs_peer.mjs"))
    trust = "NODE_EXTRA_CA_CERTS"


class DiscordPy(Peer):
    """discord.py, unmodified. It cannot receive."""

    command = (sys.executable, str(PEERS / "discordpy_peer.py"))
    trust = "SSL_CERT_FILE"
    hears = False
