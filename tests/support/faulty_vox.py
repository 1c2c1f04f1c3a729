"""A clankvox that misbehaves in the way that its argument names: for tests of what a parent does about it."""

import json
import os
import select
import struct
import sys
import time

ASKED = 400
PAUSE_S = 0.002
QUIET_S = 0.5
BLOCK_BYTES = 1 << 20


def write(payload, frame_format=0):
    os.write(1, struct.pack("<BI", frame_format, len(payload)) + payload)


def event(**fields):
    write(json.dumps(fields).encode())


def joined():
    """What a call looks like until speech may begin."""
    event(type="process_ready", protocolVersion=1)
    sys.stdin.buffer.raw.readline()
    event(type="dave_state", role="voice", connectionId="call-1", status="ready", protocolVersion=1)


def not_reading():
    """Ask for ever more speech without reading any; then count what had been written."""
    joined()
    for _ in range(ASKED):
        event(type="buffer_depth", ttsSamples=0, musicSamples=0)
        time.sleep(PAUSE_S)  # what an asking process costs; a burst would be taken as one question
    chunks = 0
    while select.select([0], [], [], QUIET_S)[0]:
        block = os.read(0, BLOCK_BYTES)
        if not block:
            break
        chunks += block.count(b"\n")
    event(type="counted", chunks=chunks)
    event(type="error", code="voice_runtime_error", message="counted", role="voice")


def main(fault):
    match fault:
        case "unknown_format":
            event(type="process_ready", protocolVersion=1)
            write(b"x", frame_format=7)
        case "disconnected":
            joined()
            event(type="transport_state", role="voice", connectionId="call-1", status="disconnected", reason="kicked")
        case "error":
            joined()
            event(type="error", code="voice_runtime_error", message="no luck", role="voice", connectionId="call-1")
        case "cut_frame":
            event(type="process_ready", protocolVersion=1)
            os.write(1, struct.pack("<BI", 0, 100) + b"{")
            return
        case "ended":
            joined()
            return
        case "not_reading":
            not_reading()
    sys.stdin.buffer.read()  # until the parent gives up


main(sys.argv[1])
