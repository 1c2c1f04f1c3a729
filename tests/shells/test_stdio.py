"""Real pipes and real threads; every wait is for an event, with a deadline."""

import json
import os
import queue
import socket
import struct
import subprocess
import sys
import threading

import pytest

from clankvox.errors import InputTooLarge, InvalidJson
from clankvox.ids import UserId
from clankvox.ipc.commands import Destroy, Leave, MusicStop
from clankvox.ipc.decoding import decode_command
from clankvox.ipc.framing import LINE_LIMIT_BYTES, frame_json, frame_user_audio
from clankvox.outbox import Outbox
from clankvox.shells import stdio
from clankvox.shells.stdio import CREDITS, StdinReader, StdoutWriter
from tests.support.process_call import eventually

DEADLINE_S = 10.0


class Pipe:
    """Both ends of an os.pipe, closed once."""

    def __init__(self):
        self.read_fd, self.write_fd = os.pipe()
        self._open = {self.read_fd, self.write_fd}

    def close(self, fd):
        if fd in self._open:
            self._open.remove(fd)
            os.close(fd)

    def close_all(self):
        for fd in list(self._open):
            self.close(fd)


@pytest.fixture
def pipe():
    made = Pipe()
    yield made
    made.close_all()


class Owner:
    """The owner of a reader: notes what it is told; takes effect at once unless told to hold."""

    def __init__(self, fd, *, holds=False):
        self.told = queue.Queue()
        self.holds = holds
        self.reader = StdinReader(fd, decode_command, self.take, self.take, lambda: self.told.put("end"))
        self.reader.start()

    def take(self, item):
        self.told.put(item)
        if not self.holds:
            self.reader.release()

    def next(self):
        return self.told.get(timeout=DEADLINE_S)

    def all(self):
        return list(iter(self.next, "end"))


def test_lines_are_handed_over_in_order_and_the_end_comes_last(pipe):
    owner = Owner(pipe.read_fd)
    os.write(pipe.write_fd, b'{"type":"leave"}\r\n\n{"type":"mus')
    os.write(pipe.write_fd, b'ic_stop"}\n{"type":"destroy"}')  # the tail has no newline
    pipe.close(pipe.write_fd)
    assert owner.all() == [Leave(), MusicStop(), Destroy()]
    owner.reader.join(DEADLINE_S)
    assert not owner.reader.is_alive()
    assert owner.told.empty()


def test_a_bad_line_is_rejected_and_the_next_one_works(pipe):
    owner = Owner(pipe.read_fd)
    os.write(pipe.write_fd, b'nonsense\n{"type":"destroy"}\n\xff\n{"type":"leave"}\n')
    pipe.close(pipe.write_fd)
    bad, destroy, worse, leave = owner.all()
    assert (type(bad), destroy, type(worse), leave) == (InvalidJson, Destroy(), InvalidJson, Leave())


def test_an_oversized_line_is_rejected_once_and_the_next_one_works(pipe):
    owner = Owner(pipe.read_fd)
    with os.fdopen(os.dup(pipe.write_fd), "wb") as parent:
        parent.write(b"x" * (2 * LINE_LIMIT_BYTES) + b'\n{"type":"leave"}\n')
    pipe.close(pipe.write_fd)
    too_large, leave = owner.all()
    assert (type(too_large), leave) == (InputTooLarge, Leave())


@pytest.mark.parametrize("line", [b'{"type":"leave"}\n', b"nonsense\n"])
def test_300_lines_wait_for_256_credits(pipe, line):
    owner = Owner(pipe.read_fd, holds=True)
    os.write(pipe.write_fd, line * 300)
    pipe.close(pipe.write_fd)
    for _ in range(CREDITS):
        owner.next()
    owner.reader.join(0.2)  # without credits it would be through by then
    assert owner.reader.is_alive()
    assert owner.told.empty()
    for _ in range(300 - CREDITS):
        owner.reader.release()  # one in, one out
        assert owner.next() != "end"
    assert owner.next() == "end"


def fill(fd, most=1 << 22):
    """Write without waiting until `fd` takes no more. Returns how many bytes it took."""
    os.set_blocking(fd, False)
    written = 0
    try:
        while written < most:
            written += os.write(fd, bytes(1 << 16))
    except BlockingIOError:
        pass
    return written


def test_a_reader_without_credits_leaves_the_rest_in_the_pipe(pipe):
    owner = Owner(pipe.read_fd, holds=True)
    os.write(pipe.write_fd, b'{"type":"leave"}\n' * 300)
    for _ in range(CREDITS):
        owner.next()
    assert fill(pipe.write_fd) < 1 << 22
    owner.reader.stop()
    assert owner.next() == "end"


def test_a_stopped_reader_hands_over_nothing_more(pipe):
    owner = Owner(pipe.read_fd, holds=True)
    os.write(pipe.write_fd, b'{"type":"leave"}\n' * 300)
    for _ in range(CREDITS):
        owner.next()
    owner.reader.stop()
    assert owner.next() == "end"
    owner.reader.join(DEADLINE_S)
    assert owner.told.empty()


def test_a_read_error_is_an_end(pipe):
    owner = Owner(pipe.write_fd)  # the wrong end: reading it fails
    assert owner.next() == "end"


class Broken:
    """Counts how often the pipe broke."""

    def __init__(self):
        self.times = 0
        self.happened = threading.Event()

    def __call__(self):
        self.times += 1
        self.happened.set()


def read_frames(fd):
    """Every frame until the pipe's end, as (format, payload)."""
    with os.fdopen(os.dup(fd), "rb") as parent:
        while prefix := parent.read(5):
            kind, length = struct.unpack("<BI", prefix)
            yield kind, parent.read(length)


def test_whole_frames_arrive_in_order_also_when_larger_than_the_pipe(pipe):
    outbox = Outbox()
    large = b'"' + b"x" * 1_000_000 + b'"'
    for payload in (b"1", large, b"3"):
        outbox.put_control(frame_json(payload))
    writer = StdoutWriter(pipe.write_fd, outbox, Broken())
    writer.start()
    received = []
    reader = threading.Thread(target=lambda: received.extend(read_frames(pipe.read_fd)))
    reader.start()
    assert writer.flush_and_stop(DEADLINE_S)
    pipe.close(pipe.write_fd)
    reader.join(DEADLINE_S)
    assert received == [(0, b"1"), (0, large), (0, b"3")]


def test_a_write_that_takes_only_a_part_is_continued(pipe, monkeypatch):
    whole_write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: whole_write(fd, data[:3]))
    outbox = Outbox()
    outbox.put_control(frame_json(b"12345678"))
    writer = StdoutWriter(pipe.write_fd, outbox, Broken())
    writer.start()
    assert writer.flush_and_stop(DEADLINE_S)
    pipe.close(pipe.write_fd)
    assert list(read_frames(pipe.read_fd)) == [(0, b"12345678")]


def test_a_frame_that_is_put_later_wakes_the_writer(pipe):
    outbox = Outbox()
    writer = StdoutWriter(pipe.write_fd, outbox, Broken())
    writer.start()
    for payload in (b"1", b"2"):
        outbox.put_control(frame_json(payload))
        assert os.read(pipe.read_fd, 6) == frame_json(payload)
    assert writer.flush_and_stop(DEADLINE_S)


def test_speech_is_wiped_after_it_was_written(pipe):
    outbox = Outbox()
    frame = frame_user_audio(UserId(42), None, b"\x01\x02", 1, 1, 1)
    as_sent = bytes(frame)
    outbox.put_audio("a", frame, 20)
    writer = StdoutWriter(pipe.write_fd, outbox, Broken())
    writer.start()
    assert writer.flush_and_stop(DEADLINE_S)
    assert os.read(pipe.read_fd, 100) == as_sent
    assert frame == bytes(len(as_sent))


def test_a_broken_pipe_is_told_once_and_what_waits_is_wiped(pipe):
    outbox = Outbox()
    pcm = [bytearray(b"pcm") for _ in range(3)]
    for frame in pcm:
        outbox.put_audio("a", frame, 20)
    pipe.close(pipe.read_fd)
    broken = Broken()
    writer = StdoutWriter(pipe.write_fd, outbox, broken)
    writer.start()
    assert broken.happened.wait(DEADLINE_S)
    assert not outbox.put_control(b"x")
    assert writer.flush_and_stop(DEADLINE_S)
    assert broken.times == 1
    assert pcm == [bytes(3)] * 3


def test_a_stalled_parent_costs_bounded_memory_and_gets_every_end_when_it_reads_again(pipe):
    outbox = Outbox()
    writer = StdoutWriter(pipe.write_fd, outbox, Broken())
    writer.start()
    pcm = bytes(960)
    utterances, frames_each = 100, 50  # 100 s of one speaker, and nobody reads
    put = 0
    for number in range(utterances):
        for _ in range(frames_each):
            put += outbox.put_audio(42, frame_user_audio(UserId(42), None, pcm, 0, 0, 480), 20)
        assert outbox.put_marker(frame_json(b"%d" % number))
    dropped = outbox.counters().audio_dropped_stream_full
    assert put + dropped == utterances * frames_each
    # 10 s wait in the lane; what the pipe and the writer's hand hold comes on top
    assert 500 <= put < 500 + (1 << 20) // len(pcm)
    assert not writer.flush_and_stop(0.0)
    received = []
    reader = threading.Thread(target=lambda: received.extend(read_frames(pipe.read_fd)))
    reader.start()
    writer.join(DEADLINE_S)
    pipe.close(pipe.write_fd)
    reader.join(DEADLINE_S)
    assert [payload for kind, payload in received if kind == 0] == [b"%d" % n for n in range(utterances)]
    assert sum(kind == 1 for kind, _ in received) == put
    ends_before_first_pcm = next(index for index, (kind, _) in enumerate(received) if kind == 1)
    assert ends_before_first_pcm == 0


def test_flushing_gives_up_at_its_deadline_when_nobody_reads(pipe):
    outbox = Outbox()
    writer = StdoutWriter(pipe.write_fd, outbox, Broken())
    writer.start()
    outbox.put_control(frame_json(bytes(1 << 20)))
    assert not writer.flush_and_stop(0.05)
    pipe.close(pipe.read_fd)  # frees the writer
    writer.join(DEADLINE_S)
    assert not writer.is_alive()


# --- PCM that is written by whoever has put it ---


def socket_pair():
    ours, parents = socket.socketpair()
    made = Pipe()
    made.close_all()
    made.read_fd, made.write_fd = parents.detach(), ours.detach()
    made._open = {made.read_fd, made.write_fd}
    return made


@pytest.mark.parametrize("make", [Pipe, socket_pair])
def test_pcm_is_written_at_once_by_whoever_has_put_it_and_wiped(make):
    ends = make()
    outbox = Outbox()
    writer = StdoutWriter(ends.write_fd, outbox, Broken())  # its thread never runs
    frame = frame_user_audio(UserId(42), None, b"\x01\x02", 1, 1, 1)
    as_sent = bytes(frame)
    outbox.put_audio("a", frame, 20)
    outbox.put_marker(frame_json(b"end"))
    writer.write_at_hand()
    assert os.read(ends.read_fd, 100) == as_sent + frame_json(b"end")
    assert frame == bytes(len(as_sent))
    ends.close_all()


def test_what_goes_before_pcm_is_left_to_the_thread_and_pcm_with_it(pipe):
    outbox = Outbox()
    writer = StdoutWriter(pipe.write_fd, outbox, Broken())
    outbox.put_audio("a", bytearray(b"pcm"), 20)
    outbox.put_control(b"first")
    writer.write_at_hand()
    os.set_blocking(pipe.read_fd, False)
    with pytest.raises(BlockingIOError):
        os.read(pipe.read_fd, 1)
    os.set_blocking(pipe.read_fd, True)
    writer.start()
    assert writer.flush_and_stop(DEADLINE_S)
    assert os.read(pipe.read_fd, 100) == b"firstpcm"


@pytest.mark.parametrize("make", [Pipe, socket_pair])
def test_who_puts_pcm_never_waits_for_a_parent_that_does_not_read(make):
    ends = make()
    outbox = Outbox()
    writer = StdoutWriter(ends.write_fd, outbox, Broken())
    frame = frame_user_audio(UserId(42), None, bytes(1_920), 0, 0, 960)
    size, put = len(frame), 0
    while outbox.counters().audio_depth < 3:  # the pipe is full, and three more wait
        put += outbox.put_audio("a", bytearray(frame), 20)
        writer.write_at_hand()
    writer.start()
    for _ in range(3):  # the thread hangs in its write now
        put += outbox.put_audio("a", bytearray(frame), 20)
        writer.write_at_hand()
    reading = threading.Thread(target=lambda: [read_exactly(ends.read_fd, size) for _ in range(put)])
    reading.start()
    reading.join(DEADLINE_S)
    assert not reading.is_alive()
    assert writer.flush_and_stop(DEADLINE_S)
    assert outbox.counters().audio_depth == 0
    ends.close_all()


def read_exactly(fd, size):
    while size:
        size -= len(os.read(fd, size))


def test_frames_of_many_hands_neither_mix_nor_overtake_each_other(pipe):
    outbox = Outbox()
    writer = StdoutWriter(pipe.write_fd, outbox, Broken())
    writer.start()
    received = []
    reader = threading.Thread(target=lambda: received.extend(read_frames(pipe.read_fd)))
    reader.start()
    count = 400

    def speak(user):
        for number in range(count):
            pcm = number.to_bytes(2, "little") * (50 + number)
            outbox.put_audio(user, frame_user_audio(UserId(user), None, pcm, 0, 0, 50 + number), 20)
            if number % 7 == user:
                outbox.put_control(frame_json(b"%d" % number))
            if number % 3:
                writer.write_at_hand()
        writer.write_at_hand()

    hands = [threading.Thread(target=speak, args=(user,)) for user in (1, 2)]
    for hand in hands:
        hand.start()
    for hand in hands:
        hand.join(DEADLINE_S)
    assert writer.flush_and_stop(DEADLINE_S)
    pipe.close(pipe.write_fd)
    reader.join(DEADLINE_S)
    for user in (1, 2):
        bodies = [payload[18:] for kind, payload in received if kind == 1 and payload[0] == user]
        assert bodies == [number.to_bytes(2, "little") * (50 + number) for number in range(count)]


def test_a_pipe_that_breaks_under_another_hand_is_told_once_by_the_thread(pipe):
    outbox = Outbox()
    broken = Broken()
    writer = StdoutWriter(pipe.write_fd, outbox, broken)
    writer._room = AlwaysRoom()
    pcm = [bytearray(b"pcm") for _ in range(3)]
    pipe.close(pipe.read_fd)
    for frame in pcm:
        outbox.put_audio("a", frame, 20)
    writer.write_at_hand()
    writer.write_at_hand()
    assert broken.times == 0
    writer.start()
    assert broken.happened.wait(DEADLINE_S)
    assert writer.flush_and_stop(DEADLINE_S)
    assert broken.times == 1
    assert pcm == [bytes(3)] * 3


@pytest.mark.parametrize("room", [True, False])
def test_a_parent_that_goes_away_while_the_thread_sleeps_is_noticed_with_the_next_pcm(pipe, monkeypatch, room):
    monkeypatch.setattr(stdio, "_IDLE_S", 3_600.0)
    outbox = Outbox()
    broken = Broken()
    writer = StdoutWriter(pipe.write_fd, outbox, broken)
    if room:
        writer._room = AlwaysRoom()
    writer.start()
    outbox.put_control(b"first")
    assert os.read(pipe.read_fd, 100) == b"first"
    eventually(lambda: outbox._filled._waiters, "the thread sleeps")
    pipe.close(pipe.read_fd)
    outbox.put_audio("a", bytearray(b"pcm"), 20)
    writer.write_at_hand()
    assert broken.happened.wait(DEADLINE_S)
    assert writer.flush_and_stop(DEADLINE_S)
    assert broken.times == 1


class AlwaysRoom:
    """As if the parent went away between the look and the write."""

    has_room = True


def test_to_a_file_only_the_thread_writes(tmp_path):
    outbox = Outbox()
    with (tmp_path / "out").open("wb") as file:
        writer = StdoutWriter(file.fileno(), outbox, Broken())
        outbox.put_audio("a", bytearray(b"pcm"), 20)
        writer.write_at_hand()
        assert (tmp_path / "out").read_bytes() == b""
        writer.start()
        assert writer.flush_and_stop(DEADLINE_S)
    assert (tmp_path / "out").read_bytes() == b"pcm"


CLAIMING = """
import json, os, subprocess, sys
from clankvox.shells.stdio import claim_stdin, claim_stdout
stdin, stdout = claim_stdin(), claim_stdout()
print("a stray print")
os.write(1, b"a stray write\\n")
child = "import os, sys; print('a child'); sys.exit(len(os.listdir('/dev/fd')) if os.read(0, 1) == b'' else 1)"
subprocess.run([sys.executable, "-c", child], check=False, close_fds=False)
inheritable = [os.get_inheritable(fd) for fd in (stdin, stdout)]
blocking = [os.get_blocking(fd) for fd in (stdin, stdout)]
os.write(stdout, os.read(stdin, 100))
facts = [inheritable, blocking, os.read(0, 1) == b"", "msgspec" in sys.modules, sys.stdout is sys.stderr]
os.write(stdout, json.dumps(facts).encode())
"""


def test_after_the_claim_only_our_own_descriptor_reaches_the_parent():
    done = subprocess.run(
        [sys.executable, "-c", CLAIMING], input=b"from the parent", capture_output=True, check=True, timeout=60
    )
    assert done.stdout.startswith(b"from the parent")
    inheritable, blocking, stdin_is_null, has_heavy_imports, prints_to_stderr = json.loads(
        done.stdout[len(b"from the parent") :]
    )
    assert inheritable == [False, False]
    assert blocking == [True, True]
    assert stdin_is_null
    assert prints_to_stderr
    assert not has_heavy_imports  # the first frame must not wait for them
    for stray in (b"a stray print", b"a stray write", b"a child"):
        assert stray in done.stderr


def test_a_non_blocking_pipe_is_made_blocking(pipe):
    os.set_blocking(pipe.write_fd, False)
    code = (
        "from clankvox.shells.stdio import claim_stdout; import os; fd = claim_stdout(); os.write(fd, bytes(1 << 20))"
    )
    child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.DEVNULL, stdout=pipe.write_fd)
    pipe.close(pipe.write_fd)
    received = sum(len(chunk) for chunk in iter(lambda: os.read(pipe.read_fd, 1 << 16), b""))
    assert child.wait(DEADLINE_S) == 0
    assert received == 1 << 20
