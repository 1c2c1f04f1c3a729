import pytest

from clankvox.demo import meters
from clankvox.demo.call import Outcome
from clankvox.demo.meters import FLOOR_DB
from clankvox.demo.parent import Event
from clankvox.demo.plan import GUILD_ID, VOX_ID
from tests.support.demo_call import Heard, a_plan


class Counted:
    """Stands in for the offline Discord: its counters only."""

    def __init__(self, clients=(), rooms=()):
        """Every client is in the call, and as often on a stream's server, of which the view does not speak."""
        here = [{"serverId": GUILD_ID, **client} for client in clients]
        streams = [{**client, "serverId": "1", "packets": 9_999, "maxGapMs": 0.0} for client in clients]
        self._stats = {"clients": [*here, *streams], "rooms": list(rooms)}

    def stats(self):
        return self._stats


class Held:
    def __init__(self, *acts):
        self.outcome = Outcome(acts=list(acts))


@pytest.fixture
def plan(tmp_path):
    return a_plan(tmp_path)


def test_before_anything_happened_everything_is_zero(plan):
    vox = Heard(plan)
    vox.events, vox.audio = [], {}

    read = meters.read(plan, Held(), vox, Counted(), 0.0)

    assert (read.act, read.dave, read.epoch, read.longest_gap_ms) == ("start", "none", 0, 0)
    assert [(voice.name, voice.speaking, voice.level_db, voice.packets) for voice in read.voices] == [
        (name, False, FLOOR_DB, 0) for name in ("Ada", "Ben", "clankvox")
    ]


def test_who_speaks_how_loud_and_how_much(plan):
    vox, ada = Heard(plan), plan.members[0]
    vox.events.append(Event(1.9, {"type": "speaking_start", "userId": ada.user_id}))
    vox.audio[ada.user_id] = [vox.audio[ada.user_id][0]._replace(peak=3_277)]
    rooms, clients = [{"epoch": 2}], [{"userId": ada.user_id, "packets": 12}, {"userId": VOX_ID, "maxGapMs": 20.5}]

    read = meters.read(plan, Held("join", "members speak"), vox, Counted(clients, rooms), 2.05)

    assert (read.act, read.dave, read.epoch, read.longest_gap_ms) == ("members speak", "ready", 2, 20.5)
    voice = read.voices[0]
    assert (voice.speaking, voice.packets, voice.heard_s) == (True, 12, 0.02)
    assert voice.level_db == pytest.approx(-20, abs=0.01)
    assert not read.voices[1].speaking


def test_a_level_falls_when_no_more_is_heard(plan):
    assert meters.read(plan, Held(), Heard(plan), Counted(), 3.0).voices[0].level_db == FLOOR_DB


def test_our_side_speaks_from_started_to_drained(plan):
    vox = Heard(plan)
    vox.events.append(Event(5.0, {"type": "tts_playback_state", "status": "started"}))
    during = meters.read(plan, Held(), vox, Counted(), 5.5).voices[2]
    vox.events.append(Event(8.0, {"type": "tts_playback_state", "status": "drained"}))
    after = meters.read(plan, Held(), vox, Counted(), 8.1).voices[2]

    assert during.speaking
    assert during.level_db > -30
    assert (after.speaking, after.level_db) == (False, FLOOR_DB)
