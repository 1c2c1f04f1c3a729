import pytest

from clankvox.errors import InvalidRequest
from clankvox.loopback.discord import LoopbackDiscord, NotSeen
from clankvox.loopback.server import CannotListen
from tests.support.raw_client import RawClient


def test_with_tls_a_client_verifies_it_with_the_ca_file():
    with LoopbackDiscord() as discord:
        assert not discord.endpoint.startswith("ws://")
        with RawClient(discord, 1):
            joined = discord.wait_for(lambda happening: happening["type"] == "joined")
            assert joined in discord.happenings
        ca_file = discord.ca_file
    assert not ca_file.exists()


def test_without_tls_the_endpoint_begins_with_ws():
    with LoopbackDiscord(tls=False) as discord, RawClient(discord, 1):
        assert discord.endpoint.startswith("ws://127.0.0.1:")
        assert discord.ca_file is None


def test_a_ca_file_that_was_named_stays(tmp_path):
    with LoopbackDiscord(ca_file=tmp_path / "ca.pem"):
        pass
    assert (tmp_path / "ca.pem").read_text().startswith("-----BEGIN CERTIFICATE-----")


def test_it_listens_on_ipv6_too():
    with LoopbackDiscord(tls=False, host="::1") as discord:
        assert discord.endpoint.startswith("ws://[::1]:")
        with RawClient(discord, 1, join=False) as client:
            client.identify()
            client.wait_until(lambda: client.seen and client.seen[-1][0] == 2)


def test_waiting_ends_with_what_happens_or_in_time():
    with LoopbackDiscord(tls=False) as discord:
        with pytest.raises(NotSeen):
            discord.wait_for(lambda _: True, timeout_s=0.01)
        discord.command({"type": "add_speaker", "userId": "1", "tone": 440, "serverId": "5"})
        assert discord.wait_for(lambda happening: happening["type"] == "joined")["userId"] == "1"
        mark = len(discord.happenings)
        discord.command({"type": "remove_speaker", "userId": "1"})
        assert discord.wait_for(lambda _: True, since=mark)["type"] == "left"


def test_refused_orders_raise_and_a_taken_port_too():
    with LoopbackDiscord(tls=False) as discord:
        with pytest.raises(InvalidRequest):
            discord.command({"type": "nope"})
        port = int(discord.endpoint.rpartition(":")[2])
        with pytest.raises(CannotListen), LoopbackDiscord(tls=False, port=port):
            pass
        with pytest.raises(CannotListen), LoopbackDiscord(tls=False, udp_port=discord.listening.udp_port):
            pass
