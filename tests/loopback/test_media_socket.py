import selectors
import socket

import pytest

from clankvox.clock import SystemClock
from clankvox.loopback.media_socket import MediaSocket


@pytest.fixture
def media():
    made = MediaSocket("127.0.0.1", 0)
    yield made
    made.close()


@pytest.fixture
def client(media):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.settimeout(5)
        made.connect(("127.0.0.1", media.port))
        yield made


def wait_readable(media):
    with selectors.DefaultSelector() as selector:
        selector.register(media.fileno(), selectors.EVENT_READ)
        assert selector.select(5)


def test_datagrams_come_in_order_with_their_address_and_instant_of_arrival(media, client):
    clock = SystemClock()
    before = clock.now()
    for number in range(5):
        client.send(bytes((number,)))
    after = clock.now()
    wait_readable(media)
    taken = []
    media.drain(lambda *arrival: taken.append(arrival))
    assert [datagram for datagram, _, _ in taken] == [bytes((number,)) for number in range(5)]
    assert {address for _, address, _ in taken} == {client.getsockname()}
    # the instant is the kernel's, not that of our reading
    assert all(before - 0.001 <= arrival_s <= after + 0.001 for _, _, arrival_s in taken)


def test_draining_an_empty_socket_returns_at_once(media):
    media.drain(lambda *_: pytest.fail("there was nothing"))


def test_what_the_system_will_not_send_is_counted(media, client):
    media.send(b"x", client.getsockname())
    assert client.recv(10) == b"x"
    media.send(bytes(70_000), client.getsockname())
    assert media.unsent == 1


def test_a_client_that_is_gone_does_not_stop_the_others(media, client):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gone:
        gone.bind(("127.0.0.1", 0))
        address = gone.getsockname()
    media.send(b"x", address)
    client.send(b"still here")
    wait_readable(media)
    taken = []
    media.drain(lambda datagram, *_: taken.append(datagram))
    assert taken == [b"still here"]
