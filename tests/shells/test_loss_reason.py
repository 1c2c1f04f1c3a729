"""Reasons name what happened and never repeat an exception's own text."""

import errno
import socket
import ssl

import pytest
from websockets.exceptions import ConnectionClosedError, InvalidStatus, InvalidURI, SecurityError
from websockets.frames import Close
from websockets.http11 import Response

from clankvox.shells.loss_reason import closing_reason, opening_reason, udp_reason

SECRET = "wss://secret.example/?token=hunter2"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (InvalidStatus(Response(403, SECRET, {})), "handshake rejected with HTTP status 403"),
        (InvalidURI(SECRET, SECRET), "invalid URL"),
        (SecurityError(SECRET), "handshake failed: SecurityError"),
        (ssl.SSLError(1, SECRET), "TLS failed: unknown"),
        (socket.gaierror(socket.EAI_NONAME, SECRET), "name resolution failed"),
        (TimeoutError(SECRET), "timed out"),
        (OSError(errno.EHOSTUNREACH, SECRET), "connection failed: EHOSTUNREACH"),
        (OSError(SECRET), "connection failed: OSError"),
        (RuntimeError(SECRET), "connection failed: RuntimeError"),
    ],
)
def test_an_opening_that_failed(error, reason):
    assert opening_reason(error) == reason


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(errno.ENETDOWN, SECRET), "ENETDOWN"),
        (ValueError(SECRET), "invalid address"),
        (OverflowError(SECRET), "invalid address"),
        (RuntimeError(SECRET), "RuntimeError"),
    ],
)
def test_a_udp_link_that_failed(error, reason):
    assert udp_reason(error) == reason


def test_the_servers_own_words_come_first_without_control_characters():
    assert closing_reason(ConnectionClosedError(Close(4000, "a\x00\u202eb" * 60), None, None)) == "a  b" * 30


def test_a_close_of_ours_names_its_code():
    assert closing_reason(ConnectionClosedError(None, Close(1002, SECRET), None)) == "closed here with 1002"


def test_a_connection_without_any_close_frame_is_lost():
    assert closing_reason(ConnectionClosedError(None, None, None)) == "connection lost"
