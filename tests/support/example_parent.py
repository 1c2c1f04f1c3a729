"""Runs a parent out of `examples/` for real, and says what has to be true of each of them."""

import json
import os
import signal
import subprocess
import sys
import threading
import wave
from pathlib import Path

import numpy as np

from clankvox.demo.journal import Journal, NotSeen
from clankvox.loopback.discord import LoopbackDiscord
from tests.support.spoken import tone

GUILD, CHANNEL = "1", "2"
VOX, SPEAKER, LISTENER = "10", "20", "30"
STEP_S = 20.0
FRAME_S = 0.02
QUEUED_SAMPLES = 2 * 48_000
CHUNK_SAMPLES = 48_000 // 5
FAULTY = Path(__file__).with_name("faulty_vox.py")
VOX_COMMAND = f"{sys.executable} -m clankvox --log-level warning"
"""Warnings and errors are what a run without a fault must not have."""


class ExampleParent:
    """A context: starts the example, ends it on exit, by force if it must."""

    def __init__(self, command, folder, endpoint, *flags, ca_file=None, clankvox=VOX_COMMAND):
        self.out = folder / "out"
        self._command = [*command, "--endpoint", endpoint, "--out", str(self.out), "--clankvox", clankvox]
        self._command += ["--guild", GUILD, "--channel", CHANNEL, "--user", VOX, *flags]
        self._env = {**os.environ, **({"SSL_CERT_FILE": str(ca_file)} if ca_file else {})}
        self._journal = Journal()

    def __enter__(self):
        self._process = subprocess.Popen(
            self._command, env=self._env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL
        )
        self._errors = b""
        self._threads = [threading.Thread(target=read) for read in (self._read_events, self._read_errors)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exception):
        if self._process.poll() is None:
            self._process.kill()
        self._finish()

    def wait_for(self, kind, count=1, **fields):
        """Return the event that is the `count`-th of its kind."""
        wanted = {"type": kind, **fields}
        since = 0
        for _ in range(count):
            since, event = self._journal.wait_for(lambda event: wanted.items() <= event.items(), kind, STEP_S, since)
            since += 1
        return event

    def events_of(self, kind):
        return [event for event in self._journal.entries if event["type"] == kind]

    def interrupt(self):
        self._process.send_signal(signal.SIGINT)

    def end(self):
        """Wait for its end; returns exit code and what it said to stderr."""
        try:
            self._process.wait(STEP_S)
        except subprocess.TimeoutExpired:
            raise NotSeen("the example does not end") from None
        self._finish()
        return self._process.returncode, self._errors.decode()

    def _finish(self):
        self._process.wait()
        for thread in self._threads:
            thread.join()
        self._process.stdout.close()
        self._process.stderr.close()

    def _read_events(self):
        for line in self._process.stdout:
            self._journal.append(json.loads(line))
        self._journal.end()

    def _read_errors(self):
        self._errors = self._process.stderr.read()


def write_wav(path, samples, rate_hz):
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, rate_hz, 0, "NONE", ""))
        file.writeframes(samples.tobytes())
    return str(path)


def heard_tone(path):
    """Frequency in Hz and duration in seconds of the loud part of a WAV file, first channel."""
    with wave.open(str(path)) as file:
        rate_hz = file.getframerate()
        pcm = np.frombuffer(file.readframes(file.getnframes()), np.int16)[:: file.getnchannels()]
    frame = int(rate_hz * FRAME_S)
    frames = pcm[: len(pcm) // frame * frame].reshape(-1, frame).astype(np.float64)
    loud = np.sqrt((frames**2).mean(axis=1)) > 1000
    sound = frames[loud].ravel()
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound))))
    return spectrum.argmax() * rate_hz / len(sound), loud.sum() * FRAME_S


def add_listener(discord, folder):
    """A member that never speaks and records what it hears."""
    member = {"type": "add_speaker", "userId": LISTENER, "serverId": GUILD, "channelId": CHANNEL}
    discord.command({**member, "tone": 50, "startMs": 86_400_000, "receive": True, "record": str(folder)})


def check_whole_call(command, folder):
    """A user says 880 Hz for a second, again and again; the example says 440 Hz for three seconds."""
    said = write_wav(folder / "said.wav", tone(1.0, 880.0), 48_000)
    play = write_wav(folder / "play.wav", tone(3.0, 440.0, rate_hz=24_000), 24_000)
    with LoopbackDiscord() as discord:
        add_listener(discord, folder / "heard")
        flags = ("--play", play, "--seconds", "600")
        with ExampleParent(command, folder, discord.endpoint, *flags, ca_file=discord.ca_file) as parent:
            parent.wait_for("tts_playback_state", status="started")
            discord.command(
                {"type": "add_speaker", "userId": SPEAKER, "file": said, "loop": True, "pauseMs": 1500, "startMs": 100}
            )
            parent.wait_for("user_audio_end", count=2, userId=SPEAKER)
            parent.wait_for("tts_playback_state", status="drained")
            parent.interrupt()
            exit_code, errors = parent.end()
        discord.command({"type": "remove_speaker", "userId": LISTENER})
    assert (exit_code, errors) == (0, "")
    assert [event["payload"]["d"]["channel_id"] for event in parent.events_of("adapter_send")] == [CHANNEL, None]
    assert {f"{SPEAKER}-1.wav", f"{SPEAKER}-2.wav"} <= {path.name for path in parent.out.iterdir()}
    for utterance in (1, 2):
        check_tone(parent.out / f"{SPEAKER}-{utterance}.wav", 880.0, 1.0)
    check_tone(folder / "heard" / f"{VOX}.wav", 440.0, 3.0)


def check_tone(path, hz, seconds):
    got_hz, got_s = heard_tone(path)
    assert abs(got_hz - hz) < 2
    assert abs(got_s - seconds) <= 2 * FRAME_S + 1e-9


def check_seconds_and_raw_pcm(command, folder):
    """Alone with a listener, no time to listen: it still says all of a file of raw PCM, then leaves by itself."""
    play = folder / "play.pcm"
    play.write_bytes(tone(3.5, 440.0, rate_hz=24_000).tobytes())
    with LoopbackDiscord(tls=False) as discord:
        add_listener(discord, folder / "heard")
        flags = ("--play", str(play), "--seconds", "0")
        with ExampleParent(command, folder, discord.endpoint, *flags) as parent:
            assert parent.end() == (0, "")
        discord.command({"type": "remove_speaker", "userId": LISTENER})
    check_tone(folder / "heard" / f"{VOX}.wav", 440.0, 3.5)
    depths = [event["ttsSamples"] for event in parent.events_of("buffer_depth")]
    assert QUEUED_SAMPLES - CHUNK_SAMPLES <= max(depths) <= QUEUED_SAMPLES + CHUNK_SAMPLES


def check_interrupted_speech(command, folder):
    """Nobody is there, so nothing that it says leaves: it can be interrupted all the same."""
    play = folder / "play.pcm"
    play.write_bytes(tone(5.0, 440.0, rate_hz=24_000).tobytes())
    with (
        LoopbackDiscord(tls=False) as discord,
        ExampleParent(command, folder, discord.endpoint, "--play", str(play)) as parent,
    ):
        parent.wait_for("buffer_depth", ttsSamples=QUEUED_SAMPLES)
        parent.interrupt()
        assert parent.end() == (0, "")
    assert [event["payload"]["d"]["channel_id"] for event in parent.events_of("adapter_send")] == [CHANNEL, None]
    (stopped,) = [event for event in parent.events_of("tts_playback_state") if event["status"] == "stopped"]
    assert stopped["playedMs"] == 0


def check_refused(command, folder):
    """Credentials that Discord does not accept."""
    with LoopbackDiscord(tls=False, tokens=frozenset({"good"})) as discord:
        flags = ("--token", "bad-secret")
        with ExampleParent(command, folder, discord.endpoint, *flags) as parent:
            exit_code, errors = parent.end()
    assert exit_code == 1
    assert any(line.startswith("parent: ") for line in errors.splitlines())  # the log of its child may end later
    assert "bad-secret" not in errors + str(parent.events_of("error"))


def check_faulty(command, folder, fault, message):
    """A process that misbehaves in one way."""
    clankvox = f"{sys.executable} {FAULTY} {fault}"
    with ExampleParent(command, folder, "ws://127.0.0.1:1", clankvox=clankvox) as parent:
        exit_code, errors = parent.end()
    assert exit_code == 1
    assert message in errors


def check_back_pressure(command, folder):
    """A process that asks for more and more speech, but reads nothing: what the pipe does not take is not queued."""
    play = folder / "play.pcm"
    play.write_bytes(bytes(200 * 9600))
    clankvox = f"{sys.executable} {FAULTY} not_reading"
    flags = ("--play", str(play))
    with ExampleParent(command, folder, "ws://127.0.0.1:1", *flags, clankvox=clankvox) as parent:
        counted = parent.wait_for("counted")
        assert parent.end()[0] == 1
    assert 1 <= counted["chunks"] <= 50
