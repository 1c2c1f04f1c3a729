"""Bytes of the network as values and back: RTP, RTCP, transport encryption, IP discovery, gateway payloads.

Everything here is a pure function of its arguments (no state, no clock, any thread). Bytes that are not what
they claim raise `WireError` and nothing else; a value that cannot be built is the caller's mistake and raises
ValueError or struct.error.
"""
