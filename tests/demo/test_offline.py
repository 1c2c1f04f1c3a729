import pytest

from clankvox.clock import SystemClock
from clankvox.demo.journal import Journal, NotSeen
from clankvox.demo.offline import OfflineDiscord, OrderRefused

pytestmark = pytest.mark.process

SPEAKER = {"type": "add_speaker", "serverId": "1", "tone": 440}


@pytest.fixture(scope="module")
def discord():
    with OfflineDiscord() as offline:
        yield offline


def test_it_listens_with_a_certificate_to_trust(discord):
    assert discord.endpoint.startswith("127.0.0.1:")
    assert discord.ca_file.read_bytes().startswith(b"-----BEGIN CERTIFICATE-----")


def test_an_order_is_answered_and_what_follows_is_seen(discord):
    answer = discord.order({**SPEAKER, "userId": "21"})

    assert answer["userId"] == "21"
    assert discord.wait_for("joined", userId="21")["serverId"] == "1"


def test_a_refused_order_says_why(discord):
    with pytest.raises(OrderRefused, match="no such speaker"):
        discord.order({"type": "remove_speaker", "userId": "99"})


def test_what_never_happens_is_not_seen(discord):
    with pytest.raises(NotSeen, match="left"):
        discord.wait_for("left", timeout_s=0.01, userId="98")


def test_its_instants_can_be_read_on_our_clock(discord):
    before_ms = SystemClock().now() * 1000
    stats = discord.stats()
    after_ms = SystemClock().now() * 1000

    assert before_ms - 1 <= stats["nowMs"] + stats["offsetMs"] <= after_ms + 1


def test_without_tls_there_is_no_certificate():
    with OfflineDiscord(["--no-tls"]) as plain:
        assert plain.endpoint.startswith("ws://127.0.0.1:")
        assert plain.ca_file is None


def test_an_order_to_one_that_ended_is_refused():
    with OfflineDiscord(["--no-tls"]) as ended:
        pass

    with pytest.raises(OrderRefused, match="gone"):
        ended.order({"type": "stats"})


def test_one_that_cannot_listen_is_not_waited_for():
    with pytest.raises(NotSeen, match="ended"), OfflineDiscord(["--host", "256.0.0.1"]):
        pass


def test_answers_are_no_happenings(discord):
    """Who asks for counters twice a second for hours would keep them all."""
    assert discord.stats()["type"] == "stats"
    assert "stats" not in {line["type"] for line in discord.happenings}


def test_a_journal_of_ones_own_is_written_to():
    kept = Journal()
    with OfflineDiscord(["--no-tls"], kept) as plain:
        plain.order({**SPEAKER, "userId": "21"})
        plain.wait_for("joined", userId="21")
    assert {"listening", "joined"} <= {line["type"] for line in kept.entries}


def test_who_waits_for_an_answer_when_it_ends_waits_no_longer(monkeypatch):
    with OfflineDiscord(["--no-tls"]) as ended:
        monkeypatch.setattr(ended._stdin, "flush", ended._process.kill)
        with pytest.raises(NotSeen, match="ended"):
            ended.stats()
        with pytest.raises(OrderRefused, match="gone"):
            ended.stats()
