"""What holds for every test of the offline Discord."""

import logging

import pytest


@pytest.fixture(autouse=True)
def _nothing_failed_in_the_background(caplog):
    """The event loop and the WebSocket server report what escapes from a handler or callback as errors."""
    yield
    failures = [record for record in caplog.get_records("call") if record.levelno >= logging.ERROR]
    assert not failures, failures[0].getMessage()
