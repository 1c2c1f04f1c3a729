import io
import struct
import wave

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clankvox.clock import SystemClock
from clankvox.demo.journal import NotSeen
from clankvox.demo.parent import (
    AudioTiming,
    Event,
    ProcessGone,
    UserAudio,
    VoxParent,
    parse_timed_audio,
    parse_user_audio,
    read_entry,
)
from clankvox.errors import WireError
from clankvox.ids import CaptureId, UserId
from clankvox.ipc.framing import TimingBlock, frame_user_audio
from tests.support.vox_scripted import READY, audio, child, event

UNTIL_EOF = "sys.stdin.buffer.read()"


def entries_of(stream: bytes):
    source, entries = io.BytesIO(stream), []
    while (entry := read_entry(source, SystemClock())) is not None:
        entries.append(entry)
    return entries


@given(
    user_id=st.integers(0, 2**64 - 1),
    capture_id=st.none() | st.text(min_size=1, max_size=40),
    pcm=st.binary(max_size=64).map(lambda data: data[: len(data) // 2 * 2]),
    peak=st.integers(0, 65_535),
)
def test_what_the_process_frames_is_read_in_both_header_forms(user_id, capture_id, pcm, peak):
    framed_id = None if capture_id is None else CaptureId(capture_id)
    frame = frame_user_audio(UserId(user_id), framed_id, pcm, peak, 0, len(pcm) // 2)

    (entry,) = entries_of(bytes(frame))

    assert entry == UserAudio(entry.at_s, user_id, capture_id, peak, 0, len(pcm) // 2, pcm)


def test_pcm_that_looks_like_a_capture_id_is_pcm_all_the_same():
    (entry,) = entries_of(audio(5, struct.pack("<H", 2) + b"ab"))

    assert (entry.capture_id, entry.pcm) == (None, b"\x02\x00ab")


@pytest.mark.parametrize(
    "stream",
    [
        b"\x00\x01\x00",
        b"\x02" + audio(5, b"abcd")[1:],
        b"\x01\x16\x00\x00\x00" + struct.pack("<QHIIH", 5, 7, 0, 1, 0) + b"ab",
        b"\x00\x00\x00\x00\x02",
        b"\x00\x05\x00\x00\x00{}",
        b"\x00\x02\x00\x00\x00{]",
        b"\x00\x02\x00\x00\x00[]",
        b"\x01\x02\x00\x00\x00xx",
        audio(5, b"abcd", "id")[:-2],
        audio(5, b"abcd", active=3),
        b"plain text on stdout\n",
    ],
)
def test_bytes_that_are_no_frame_are_out_of_step(stream):
    with pytest.raises(WireError):
        entries_of(stream)


@given(st.binary(max_size=80))
def test_random_audio_payloads_are_read_or_refused(payload):
    try:
        entry = parse_user_audio(payload, 0.0)
    except WireError:
        return
    assert len(entry.pcm) == 2 * entry.samples


def test_events_and_audio_are_kept_in_the_order_in_which_they_were_written():
    end = event(type="user_audio_end", userId="5", captureId="k")
    with VoxParent(command=child(READY, audio(5, b"abcd", "k"), audio(6, b"ef"), end, UNTIL_EOF)) as vox:
        vox.wait_for("user_audio_end", captureId="k")
        kinds = [entry.type if isinstance(entry, Event) else entry.user_id for entry in vox.entries]

        assert kinds == ["process_ready", 5, 6, "user_audio_end"]
        assert [entry.at_s for entry in vox.entries] == sorted(entry.at_s for entry in vox.entries)
        assert b"".join(piece.pcm for piece in vox.audio_of("5", "k")) == b"abcd"
        assert vox.audio_of(5, "other") == []


def test_what_was_captured_becomes_a_wav_file(tmp_path):
    with VoxParent(command=child(READY, audio(5, b"abcd"), audio(6, b"zz"), audio(5, b"ef"), UNTIL_EOF)) as vox:
        vox.wait_for_audio(5, since=3)
        vox.save_wav(tmp_path / "five.wav", 5, 24_000)

    with wave.open(str(tmp_path / "five.wav")) as file:
        assert (file.getframerate(), file.getnchannels(), file.readframes(9)) == (24_000, 1, b"abcdef")


def test_an_event_is_found_by_its_fields_and_from_a_mark_on():
    first, second = event(type="speaking_start", userId="1"), event(type="speaking_start", userId="2")
    with VoxParent(command=child(READY, first, second, "line()", first, UNTIL_EOF)) as vox:
        assert vox.wait_for("speaking_start", userId="2").body["userId"] == "2"
        mark = vox.mark()
        vox.send({"type": "go"})
        again = vox.wait_for("speaking_start", userId="1", since=mark)

        assert again is not vox.wait_for("speaking_start", userId="1")
        assert len(vox.events_of("speaking_start", userId="1")) == 2


def test_commands_arrive_as_json_lines():
    echo = "out.write(b'\\x00' + len(text := line().strip()).to_bytes(4, 'little') + text)"
    with VoxParent(command=child(READY, echo, UNTIL_EOF)) as vox:
        vox.send({"type": "join", "channelId": "2"})

        assert vox.wait_for("join").body == {"type": "join", "channelId": "2"}


def test_arguments_and_environment_reach_the_child():
    told = "out.write(b'\\x00' + len(t := sys.argv[1].encode() + os.environb[b'CA']).to_bytes(4, 'little') + t)"
    with VoxParent(command=child(READY, told, UNTIL_EOF), args=['{"type":'], env={"CA": '"here"}'}) as vox:
        vox.wait_for("here")


def test_the_first_frame_has_to_be_process_ready_of_protocol_1():
    for first in (event(type="ready"), event(type="process_ready", protocolVersion=2), audio(5, b"ab")):
        with pytest.raises(NotSeen), VoxParent(command=child(first, READY, UNTIL_EOF)):
            pass


def test_bytes_out_of_step_end_the_process_and_are_kept_as_its_fault():
    with VoxParent(command=child(READY, "line()", b"Traceback (most recent call last):\n", UNTIL_EOF)) as vox:
        vox.send({"type": "go"})
        with pytest.raises(NotSeen, match="ended"):
            vox.wait_for("ready", timeout_s=60)

        assert isinstance(vox.fault, WireError)
        assert vox.wait_exit() != 0


def test_nobody_waits_for_a_process_that_has_ended():
    with VoxParent(command=child(READY, "print('the reason', file=sys.stderr)", "sys.exit(74)")) as vox:
        with pytest.raises(NotSeen, match="ready: the process ended before"):
            vox.wait_for("ready", timeout_s=60)

        assert vox.wait_exit() == 74
        assert vox.stderr_lines == ["the reason"]
        with pytest.raises(ProcessGone):
            vox.send({"type": "join"})


def test_the_end_of_stdin_ends_the_process():
    with VoxParent(command=child(READY, UNTIL_EOF, event(type="bye"))) as vox:
        vox.close_stdin()

        assert vox.wait_exit() == 0
        assert vox.events[-1].type == "bye"


def test_a_process_that_does_not_end_is_killed():
    ignore = "import signal, threading; signal.signal(signal.SIGTERM, signal.SIG_IGN)"
    with VoxParent(command=child(ignore, READY, "threading.Event().wait()")) as vox:
        assert vox.exit_code is None
        with pytest.raises(NotSeen):
            vox.wait_exit(0.01)

    assert vox.exit_code == -9


@pytest.mark.process
def test_the_real_process_is_ready_and_ends_with_its_stdin():
    with VoxParent() as vox:
        assert vox.events[0].body["protocolVersion"] == 1
        vox.send_line(b"{]")
        vox.wait_for("error", code="invalid_json")
        vox.send({"type": "destroy"})

        assert vox.wait_exit() == 0
    assert vox.fault is None


@pytest.mark.parametrize("capture_id", [None, "k1"])
@pytest.mark.parametrize("appended", [b"", b"later"])
def test_timed_audio_is_read_also_if_its_block_has_grown(capture_id, appended):
    timing = TimingBlock(2, 48_000, 48_100, 960)
    framed_id = None if capture_id is None else CaptureId(capture_id)
    frame = bytes(frame_user_audio(UserId(42), framed_id, b"\x01\x02", 7, 1, 1, timing))
    head, pcm = bytearray(frame[5:-2]), frame[-2:]
    head[-26] += len(appended)
    entry = parse_timed_audio(bytes(head) + appended + pcm, 0.0)
    assert entry == UserAudio(0.0, 42, capture_id, 7, 1, 1, b"\x01\x02", AudioTiming(*timing))


def test_timed_audio_that_ends_in_its_header_is_refused():
    frame = bytes(frame_user_audio(UserId(42), None, b"\x01\x02", 7, 1, 1, TimingBlock(0, 1, 2, 3)))
    for size in range(len(frame) - 5):
        with pytest.raises(WireError):
            parse_timed_audio(frame[5 : 5 + size], 0.0)
