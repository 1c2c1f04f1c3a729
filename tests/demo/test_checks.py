from dataclasses import replace

import pytest

from clankvox.demo import checks
from clankvox.demo.parent import Event
from tests.support.demo_call import Heard, a_plan, an_outcome, sounds_of


class Scene:
    def __init__(self, folder, loss=0.0):
        self.plan = a_plan(folder, loss)
        self.outcome = an_outcome(self.plan)
        self.vox = Heard(self.plan)
        self.streams, self.music = sounds_of(self.plan)
        self.fault = None

    @property
    def sounds(self):
        return checks.Sounds(self.streams, self.music)

    def wrong(self):
        judged = checks.check_call(self.plan, self.outcome, self.vox, self.sounds, self.fault)
        assert all(check.name and check.measured and check.bar for check in judged)
        return [check.name for check in judged if not check.passed]

    def hear(self, index, **changes):
        stream = self.streams[index]
        self.streams[index] = stream._replace(alignment=stream.alignment._replace(**changes))


@pytest.fixture
def scene(tmp_path):
    return Scene(tmp_path)


def test_a_good_call_is_green(scene):
    assert scene.wrong() == []


def test_every_stream_has_its_own_bar(scene):
    for index, name in enumerate(("Ada to clankvox", "Ben to clankvox", "clankvox to Ada", "clankvox to Ben")):
        fresh = Scene(scene.plan.out)
        fresh.hear(index, snr_db=25.9)
        assert fresh.wrong() == [f"{name}: SNR"]


def test_lost_time_and_a_cut_beginning_are_wrong(scene):
    scene.hear(0, lost_ms=20.0)
    scene.hear(1, delay_ms=-21.0)

    assert scene.wrong() == ["Ada to clankvox: lost", "Ben to clankvox: cut off at the beginning"]


def test_the_seam_of_a_slip_may_cost_some_snr(scene):
    scene.hear(0, slipped_ms=40.0, snr_db=21.0)
    assert scene.wrong() == []

    scene.hear(0, slipped_ms=40.0, snr_db=19.0)
    assert scene.wrong() == ["Ada to clankvox: SNR"]


def test_time_that_slips_away_is_wrong(scene):
    scene.hear(2, slipped_ms=220.0)

    assert scene.wrong() == ["clankvox to Ada: slipped"]


def test_a_stream_of_another_length_is_wrong(scene):
    scene.streams[2] = scene.streams[2]._replace(heard_s=2.7)

    assert scene.wrong() == ["clankvox to Ada: length"]


def test_a_stream_that_was_not_heard_is_wrong(scene):
    scene.streams[3] = scene.streams[3]._replace(alignment=None)

    assert scene.wrong() == ["clankvox to Ben: heard"]


def test_loss_on_purpose_lowers_the_bars_as_far_as_it_explains(tmp_path):
    scene = Scene(tmp_path, loss=0.05)
    scene.hear(0, snr_db=5.0, lost_ms=400.0)
    assert scene.wrong() == []

    scene.hear(0, snr_db=3.0, lost_ms=500.0)
    assert scene.wrong() == ["Ada to clankvox: SNR", "Ada to clankvox: lost"]


@pytest.mark.parametrize(
    ("counter", "value", "name"),
    [
        ("plaintextFrames", 1, "nothing left unencrypted"),
        ("plaintextInTransition", 1, "nothing left unencrypted"),
        ("lastArrivalMs", 7_100.0, "pacing: packets per second"),
        ("maxGapMs", 201.0, "pacing: longest gap"),
        ("timestampAnomalies", 1, "pacing: RTP timestamps in step"),
        ("firstArrivalMs", 5_000.0, "reply: first line to first packet"),
    ],
)
def test_each_counter_of_ours_has_its_bar(scene, counter, value, name):
    scene.outcome.vox[counter] = value

    assert name in scene.wrong()


def test_time_that_slipped_in_is_no_fault_of_the_length(scene):
    scene.streams[2] = scene.streams[2]._replace(heard_s=3.4)
    assert scene.wrong() == ["clankvox to Ada: length"]

    scene.hear(2, slipped_ms=200.0)
    assert scene.wrong() == []


def test_only_what_a_busy_machine_can_cause_counts_as_timing(scene):
    judged = checks.check_call(scene.plan, scene.outcome, scene.vox, scene.sounds, None)

    assert {check.name.split(": ")[-1] for check in judged if check.timing} == {
        "slipped",
        "first packet to first PCM",
        "first line to first packet",
        "packets per second",
        "longest gap",
        "what crossed the wire",
    }


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"heard_s": 1.0}, "heard"),
        ({"alone_db": -1.1}, "gain alone"),
        ({"under_db": 0.0}, "gain under speech"),
        ({"after_db": None}, "gain after"),
    ],
)
def test_music_that_is_not_heard_as_it_should_be_is_wrong(scene, changes, name):
    scene.music = scene.music._replace(**changes)
    assert scene.wrong() == [f"music: {name}"]


def test_music_of_which_the_process_says_too_much_or_that_left_in_clear_is_wrong(scene):
    scene.outcome.played_ms = 6_900
    scene.outcome.music["plaintextFrames"] = 1
    assert scene.wrong() == ["music: what crossed the wire", "music: nothing left unencrypted"]


@pytest.mark.parametrize(("played_ms", "may_be_late"), [(None, False), (4_000, True)])
def test_gains_of_music_that_starved_may_be_wrong_because_the_machine_is_busy(scene, played_ms, may_be_late):
    scene.outcome.played_ms = played_ms or scene.outcome.played_ms
    scene.music = scene.music._replace(under_db=-120.0)
    judged = checks.check_call(scene.plan, scene.outcome, scene.vox, scene.sounds, None)
    (gain,) = (check for check in judged if check.name == "music: gain under speech")
    assert (gain.passed, gain.timing) == (False, may_be_late)


def test_gains_of_music_that_is_not_here_are_not_judged(scene):
    scene.plan = scene.plan._replace(tune=scene.plan.tune._replace(original=None))
    scene.music = scene.music._replace(alone_db=None, under_db=None, after_db=None)
    assert scene.wrong() == []


def test_packets_that_the_network_lost_were_sent(scene):
    scene.outcome.vox |= {"packets": 141, "seqGaps": 10}

    assert checks.packet_rate_pps(scene.outcome) == pytest.approx(50)
    assert scene.wrong() == []


def test_latency_is_read_on_the_clock_of_the_parent(scene):
    member = scene.plan.members[0]

    assert checks.first_word_ms(member, scene.outcome, scene.vox.audio_of(member.user_id)) == pytest.approx(40)
    assert checks.reply_ms(scene.outcome) == pytest.approx(20)


def test_a_first_word_that_is_late_or_never_comes_is_wrong(scene):
    scene.vox.audio[scene.plan.members[0].user_id] = []
    late = scene.vox.audio[scene.plan.members[1].user_id]
    late[0] = late[0]._replace(at_s=3.0)

    assert scene.wrong() == ["Ada: first word", "Ben: first packet to first PCM"]


def test_frames_that_a_member_cannot_decrypt_are_wrong(scene):
    scene.outcome.members["Ben"]["undecryptable"] = {"430000000000000003": 1}

    assert scene.wrong() == ["members decrypted everything"]


def test_without_dave_it_is_wrong(scene):
    del scene.vox.events[1]
    scene.outcome.room = {"epoch": None}

    assert scene.wrong() == ["DAVE became ready", "an MLS group exists"]


def test_an_error_and_a_bad_end_are_wrong(scene):
    scene.vox.events.append(Event(5.0, {"type": "error", "code": "voice_runtime_error"}))
    scene.outcome = replace(scene.outcome, exit_code=None)

    assert scene.wrong() == ["no error was reported", "exit code after destroy"]


def test_a_call_that_broke_off_before_anything_was_counted_is_judged_all_the_same(scene):
    scene.outcome = type(scene.outcome)(acts=["join"])
    scene.vox.audio = {member.user_id: [] for member in scene.plan.members}
    scene.streams = [stream._replace(alignment=None) for stream in scene.streams]
    scene.fault = "join: ready: not within 10 s"

    wrong = scene.wrong()
    assert wrong[0] == "the call was held to its end"
    assert {"nothing left unencrypted", "members decrypted everything", "reply: first line to first packet"} <= set(
        wrong
    )
