"""Music: one piece after the other, from the parent's request to its end, with and without ids."""

import pytest

from clankvox.actors.music import FADE_IN_MS, QUIET_DEADLINE_S, RESUME_FADE_MS
from clankvox.actors.music_leaving import FADE_OUT_MS
from clankvox.fsm.music import FADING, HELD, OFFERED, PAUSED, SOUNDING, MusicState
from clankvox.messages import music, playback
from tests.support.music_desk import Desk

STATES = [str(state) for state in MusicState]
BUSY = [state for state in STATES if state != "idle"]
PLAYER, IDLE, ARMED, ERROR = "PlayerState", "MusicIdle", "PlaybackArmed", "MusicError"


# --- a piece from beginning to end ---


def test_a_piece_with_an_id_is_loading_playing_and_idle():
    desk = Desk().play("m1")
    assert desk.said() == [f"{PLAYER} loading m1"]
    desk.give(100)
    assert (desk.said(), desk.orders()) == ([f"{PLAYER} playing m1"], ["OfferTrack 1"])
    desk.sent(80).end().sent(20).exhausted(1)
    assert desk.said() == [f"{PLAYER} idle m1 100", f"{IDLE} m1 100", f"{ARMED} music_idle"]
    assert (desk.state, desk.sources.open_attempts, desk.leaving) == ("idle", [], 0)


def test_a_piece_without_an_id_is_never_loading_and_has_no_position():
    desk = Desk().play(None)
    assert desk.said() == []
    desk.give().told(music.QuietReached(track=1)).sent(20).told(music.TrackPosition(track=1, played_ms=20))
    assert desk.said() == [f"{PLAYER} playing"]
    desk.end().exhausted(1)
    assert desk.said() == [f"{PLAYER} idle", f"{IDLE}", f"{ARMED} music_idle"]


def test_without_a_transport_nothing_is_armed_and_no_gain_is_reached():
    desk = Desk(transport_ready=False).to("playing")
    desk.told(music.GainReached(track=1, gain=1.0)).pause().resume().end().exhausted(1)
    assert desk.said() == [f"{PLAYER} paused m1 0", f"{PLAYER} playing m1", f"{PLAYER} idle m1 0", f"{IDLE} m1 0"]


def test_all_of_a_short_piece_may_be_sent_before_its_source_says_so():
    desk = Desk().to("playing").exhausted(1)
    desk.late(1)
    assert (desk.said()[:2], desk.state) == ([f"{PLAYER} idle m1 0", f"{IDLE} m1 0"], "idle")


def test_a_short_piece_that_waited_for_speech_is_finishing_when_it_is_heard():
    desk = Desk().to("waiting").end()
    assert desk.state == "waiting"
    assert desk.told(music.QuietReached(track=1)).state == "finishing"


@pytest.mark.parametrize("state", ["paused", "paused_finishing"])
def test_the_last_packet_of_a_piece_may_cross_the_pause(state):
    desk = Desk().to(state).exhausted(1)
    assert desk.said() == [f"{PLAYER} idle m1 0", f"{IDLE} m1 0", f"{ARMED} music_idle"]


def test_a_piece_fades_in_from_silence():
    desk = Desk().play("m1").give()
    (offer,) = [order for order in desk.messages() if isinstance(order, playback.OfferTrack)]
    assert (offer.buffer is desk.source.buffer, offer.fade_in_ms) == (True, FADE_IN_MS)


def test_playback_is_told_of_pcm_by_the_thread_that_brings_it():
    desk = Desk().play("m1")
    desk.source.give(40)
    assert [type(order).__name__ for order in desk.messages()] == ["TrackFilled"]


def test_the_position_is_told_for_a_piece_with_an_id():
    desk = Desk().to("playing").told(music.TrackBegan(track=1)).sent(1_000)
    desk.told(music.TrackPosition(track=1, played_ms=1_000)).told(music.TrackPosition(track=9, played_ms=1))
    assert desk.said() == ["PlaybackPosition m1 0", "PlaybackPosition m1 1000"]


@pytest.mark.parametrize("play", [("m1", ""), ("", "https://example.com")])
def test_an_empty_id_or_url_is_an_error_and_what_plays_goes_on(play):
    desk = Desk().to("playing", "m0").play(*play)
    assert desk.said()[0].startswith(ERROR)
    assert (desk.state, desk.orders()) == ("playing", [])


# --- whom a command means ---


@pytest.mark.parametrize("state", STATES)
def test_a_command_with_the_id_of_another_piece_is_ignored_silently(state):
    desk = Desk().to(state)
    desk.stop("other").pause("other").resume("other")
    desk.told(music.SetMusicGain(music_id="other", target=0.1, fade_ms=0))
    assert (desk.said(), desk.orders(), desk.state) == ([], [], state)


@pytest.mark.parametrize("name", ["m1", None])
def test_a_command_with_the_right_id_or_none_means_the_current_piece(name):
    desk = Desk().to("playing").pause(name)
    assert desk.state == "paused"
    assert desk.resume(name).stop(name).state == "stopping"


def test_without_a_piece_only_an_anonymous_stop_is_answered():
    desk = Desk().pause().resume()
    assert desk.said() == []
    assert desk.stop().said() == [f"{PLAYER} idle", f"{ARMED} music_stop"]


# --- gain ---


@pytest.mark.parametrize("state", BUSY)
def test_a_gain_is_playbacks_business_in_every_state(state):
    desk = Desk().to(state)
    track = desk.source.attempt
    desk.told(music.SetMusicGain(music_id="m1", target=0.25, fade_ms=150))
    assert desk.messages() == [playback.SetGain(target=0.25, fade_ms=150, track=track)]
    desk.told(music.GainReached(track=track, gain=0.25))
    assert desk.said() == ["MusicGainReached m1 0.25"]


def test_a_gain_without_a_piece_is_that_of_the_next_one():
    desk = Desk().told(music.SetMusicGain(music_id=None, target=0.25, fade_ms=0))
    assert desk.messages() == [playback.SetGain(target=0.25, fade_ms=0, track=None)]
    assert desk.told(music.GainReached(track=None, gain=0.25)).said() == ["MusicGainReached 0.25"]


def test_a_gain_of_a_piece_that_is_gone_is_not_told():
    assert Desk().told(music.GainReached(track=7, gain=1.0)).said() == []


# --- stop ---


def test_a_stop_fades_out_and_then_shows_the_end():
    desk = Desk().to("playing").stop("m1")
    assert (desk.said(), desk.messages()) == ([], [playback.FadeOutTrack(track=1, fade_ms=FADE_OUT_MS)])
    desk.sent(300).silenced(1)
    assert desk.said() == [f"{PLAYER} idle m1 300", f"{IDLE} m1 300", f"{ARMED} music_stop"]
    assert (desk.sources.open_attempts, desk.leaving) == ([], 0)


@pytest.mark.parametrize("state", [state for state in BUSY if state not in ("playing", *FADING)])
def test_what_does_not_sound_or_is_nearly_over_stops_at_once(state):
    desk = Desk().to(state)
    track = desk.source.attempt
    desk.stop("m1")
    assert desk.said() == [f"{PLAYER} idle m1 0", f"{IDLE} m1 0", f"{ARMED} music_stop"]
    assert desk.orders() == ([f"DropTrack {track}"] if state in OFFERED else [])
    desk.silenced(track)
    assert (desk.state, desk.sources.open_attempts, desk.leaving, desk.said()) == ("idle", [], 0, [])


@pytest.mark.parametrize("state", sorted(FADING))
@pytest.mark.parametrize("news", ["silenced", "exhausted"])
def test_a_fade_out_ends_by_silence_or_by_the_end_of_the_piece(state, news):
    desk = Desk().to(state).stop()
    getattr(desk, news)(1)
    assert desk.said() == [f"{PLAYER} idle m1 0", f"{IDLE} m1 0", f"{ARMED} music_stop"]
    assert desk.sources.open_attempts == []


def test_a_source_that_fails_during_the_fade_out_ends_it():
    desk = Desk().to("stopping").fail()
    assert desk.said() == [f"{PLAYER} idle m1 0", f"{IDLE} m1 0", f"{ARMED} music_stop"]


@pytest.mark.parametrize(("state", "paused"), [("stopping", "paused"), ("stopping_finishing", "paused_finishing")])
def test_a_pause_takes_a_stop_back(state, paused):
    desk = Desk().to(state).pause()
    assert (desk.state, desk.orders()) == (paused, ["CancelFadeOut 1", "HoldTrack 1"])
    assert desk.said() == [f"{PLAYER} paused m1 0", f"{ARMED} music_pause"]


@pytest.mark.parametrize(("state", "now"), [("stopping", "playing"), ("stopping_finishing", "finishing")])
def test_a_resume_takes_a_stop_back(state, now):
    desk = Desk().to(state).resume()
    assert (desk.state, desk.orders(), desk.said()) == (now, ["CancelFadeOut 1"], [f"{PLAYER} playing m1"])


@pytest.mark.parametrize(("state", "now"), [("playing", "reopening"), ("finishing", "reopening")])
def test_a_stop_taken_back_too_late_opens_the_source_where_it_was_heard(state, now):
    desk = Desk().to(state).sent(700).silenced(1)
    assert (desk.state, desk.source.request.start_ms, desk.sources.open_attempts) == (now, 700, [2])
    desk.give()
    assert (desk.state, desk.orders(), desk.said()) == ("playing", ["OfferTrack 2"], [])


@pytest.mark.parametrize("state", sorted(HELD))
def test_a_stop_taken_back_too_late_by_a_pause_keeps_the_position(state):
    desk = Desk().to(state).sent(700).silenced(1)
    assert (desk.state, desk.said(), desk.sources.open_attempts) == ("paused_broken", [], [])
    desk.resume()
    assert (desk.state, desk.source.request.start_ms) == ("reopening", 700)


# --- pause and resume ---


@pytest.mark.parametrize(
    ("state", "paused"),
    [
        ("loading", "paused_loading"),
        ("waiting", "paused_unheard"),
        ("playing", "paused"),
        ("finishing", "paused_finishing"),
        ("reopening", "paused_broken"),
    ],
)
def test_every_piece_can_be_paused_and_goes_on_where_it_was(state, paused):
    desk = Desk().to(state).pause("m1")
    assert (desk.state, desk.said()) == (paused, [f"{PLAYER} paused m1 0", f"{ARMED} music_pause"])
    track = desk.source.attempt
    assert desk.orders() == ([f"HoldTrack {track}"] if state in SOUNDING else [])
    desk.resume("m1")
    assert desk.state == state
    shown = "loading" if state in ("loading", "waiting") else "playing"
    assert desk.said() == [f"{PLAYER} {shown} m1"]
    expected = {"waiting": ["AwaitQuiet 1"], "loading": [], "reopening": []}
    assert desk.orders() == expected.get(state, [f"ReleaseTrack {track}"])


@pytest.mark.parametrize("state", sorted(PAUSED))
def test_a_pause_of_paused_music_says_so_again_and_changes_nothing(state):
    desk = Desk().to(state).pause()
    assert (desk.state, desk.orders()) == (state, [])
    assert desk.said() == [f"{PLAYER} paused m1 0", f"{ARMED} music_pause"]


@pytest.mark.parametrize("state", ["loading", "waiting", "playing", "finishing", "reopening"])
def test_a_resume_of_running_music_says_so_again_and_changes_nothing(state):
    desk = Desk().to(state).resume()
    shown = "loading" if state in ("loading", "waiting") else "playing"
    assert (desk.state, desk.orders(), desk.said()) == (state, [], [f"{PLAYER} {shown} m1"])


def test_the_position_is_told_with_the_pause():
    assert Desk().to("playing").sent(12_345).pause().said()[0] == f"{PLAYER} paused m1 12345"


def test_music_paused_before_its_first_pcm_is_heard_only_when_it_is_resumed():
    desk = Desk().to("paused_loading").give()
    assert (desk.said(), desk.orders(), desk.state) == ([f"{PLAYER} paused m1 0"], [], "paused_unheard")
    desk.resume()
    assert (desk.said(), desk.orders(), desk.state) == (
        [f"{PLAYER} loading m1", f"{PLAYER} playing m1"],
        ["OfferTrack 1"],
        "playing",
    )


def test_a_source_may_end_during_the_pause():
    desk = Desk().to("paused").end()
    assert (desk.state, desk.said()) == ("paused_finishing", [])


@pytest.mark.parametrize("state", ["paused", "paused_unheard"])
def test_a_source_lost_during_the_pause_is_opened_again_at_its_position(state):
    desk = Desk().to(state).sent(61_000).fail()
    assert (desk.state, desk.said()) == ("paused_broken", [])
    assert desk.orders() == (["DropTrack 1"] if state == "paused" else [])
    desk.resume("m1")
    assert desk.said() == [f"{PLAYER} playing m1"]
    assert (desk.source.request.start_ms, desk.state) == (61_000, "reopening")
    desk.silenced(1)
    assert desk.sources.open_attempts == [2]
    desk.give()
    (offer,) = [order for order in desk.messages() if isinstance(order, playback.OfferTrack)]
    assert (offer.track, offer.fade_in_ms, desk.state) == (2, RESUME_FADE_MS, "playing")
    assert desk.sent(1_000).pause().said()[0] == f"{PLAYER} paused m1 62000"


def test_nothing_may_be_left_behind_the_position():
    desk = Desk().to("reopening").end()
    assert desk.said() == [f"{PLAYER} idle m1 0", f"{IDLE} m1 0", f"{ARMED} music_idle"]


# --- failures ---


@pytest.mark.parametrize("state", ["loading", "waiting", "playing", "paused_loading", "reopening"])
def test_a_failure_is_an_error_and_an_idle_player_and_no_end_of_the_track(state):
    desk = Desk().to(state).fail("format_unavailable")
    assert desk.said() == [f"{ERROR} m1 format_unavailable", f"{PLAYER} idle m1 0", f"{ARMED} music_error"]
    assert desk.state == "idle"
    desk.silenced(desk.source.attempt)
    assert desk.sources.open_attempts == []


@pytest.mark.parametrize("state", ["loading", "paused_loading"])
def test_a_source_without_pcm_has_no_audio(state):
    assert Desk().to(state).end().said()[0] == f"{ERROR} m1 no_audio"


def test_an_unknown_code_is_told_as_one_that_parents_know():
    assert Desk().to("loading").fail("meteor").said()[0] == f"{ERROR} m1 pipeline_failed"


@pytest.mark.parametrize("state", ["finishing", "stopping_finishing", "paused_finishing"])
def test_a_source_that_has_given_all_cannot_fail_any_more(state):
    desk = Desk().to(state).fail()
    assert (desk.state, desk.said()) == (state, [])


def test_news_of_a_source_that_nobody_waits_for_are_dropped():
    desk = Desk().to("loading")
    for news in (
        music.SourceStarted(attempt=9),
        music.SourceEnded(attempt=9, position_ms=1),
        music.SourceFailed(attempt=9, code="no_audio", message="", position_ms=1),
        music.QuietReached(track=9),
        music.TrackExhausted(track=9, played_ms=1),
        music.TrackSilenced(track=9, played_ms=1),
    ):
        desk.told(news)
    assert (desk.state, desk.said()) == ("loading", [])


@pytest.mark.parametrize("news", [music.QuietReached(track=1), music.SourceStarted(attempt=1)])
def test_an_answer_that_comes_twice_changes_nothing(news):
    desk = Desk().to("playing").told(news)
    assert (desk.state, desk.orders(), desk.said()) == ("playing", [], [])


# --- music without an id and announcements ---


def test_anonymous_music_waits_for_the_end_of_an_announcement():
    desk = Desk().play(None).give()
    assert (desk.orders(), desk.said(), desk.state) == (["AwaitQuiet 1"], [], "waiting")
    desk.told(music.QuietReached(track=1))
    assert (desk.orders(), desk.said()) == (["OfferTrack 1"], [f"{PLAYER} playing"])


def test_an_announcement_that_never_ends_is_waited_for_so_long_and_no_longer():
    desk = Desk().play(None).give()
    desk.orders()
    began = desk.clock.now()
    desk.clock.move_to(began + QUIET_DEADLINE_S - 0.1)
    desk.pump.drain()
    assert desk.orders() == []
    desk.clock.move_to(began + QUIET_DEADLINE_S)
    desk.pump.drain()
    assert desk.orders() == ["OfferTrack 1"]


# --- one piece in place of another ---


def test_a_replaced_piece_sounds_until_the_next_one_is_heard():
    desk = Desk().to("playing").sent(5_000).play("m2")
    assert (desk.said(), desk.orders()) == ([f"{PLAYER} loading m2"], [])
    assert desk.sources.open_attempts == [1, 2]
    desk.give()
    assert (desk.said(), desk.orders()) == ([f"{PLAYER} playing m2"], ["OfferTrack 2"])
    desk.silenced(1)
    assert (desk.said(), desk.sources.open_attempts) == ([f"{IDLE} m1 5000"], [2])


def test_a_replaced_piece_without_an_id_ends_without_a_word():
    desk = Desk().to("playing", None).play("m2").give()
    desk.said()
    desk.silenced(1)
    assert (desk.said(), desk.sources.open_attempts) == ([], [2])


@pytest.mark.parametrize("state", BUSY)
def test_every_piece_can_be_replaced_and_ends_once(state):
    desk = Desk().to(state)
    old = desk.source.attempt
    desk.play("m2").give()
    if state in OFFERED:
        desk.silenced(old)
        desk.silenced(old)
    said = desk.said()
    assert said.count(f"{IDLE} m1 0") == 1
    assert said[-1] == f"{PLAYER} playing m2" or state in SOUNDING
    assert (desk.sources.open_attempts, desk.leaving) == ([old + 1], 0)


@pytest.mark.parametrize("state", BUSY)
def test_the_end_of_a_piece_that_begins_anew_is_not_told_for_it_would_be_taken_for_that_of_the_new_one(state):
    desk = Desk().to(state)
    old = desk.source.attempt
    desk.play("m1").give()
    desk.silenced(old)
    assert IDLE not in " ".join(desk.said())
    assert (desk.sources.open_attempts, desk.leaving) == ([old + 1], 0)
    desk.stop().silenced(old + 1)
    assert " ".join(desk.said()).count(f"{IDLE} m1") == 1


def test_a_piece_that_is_asked_for_again_while_it_fades_under_another_one_is_not_told_as_over():
    desk = Desk().to("playing").play("m2").give().play("m1").give()
    desk.silenced(1).silenced(2)
    assert [line for line in desk.said() if line.startswith(IDLE)] == [f"{IDLE} m2 0"]


def test_a_replaced_piece_may_end_by_itself():
    desk = Desk().to("finishing").play("m2").exhausted(1)
    assert desk.said() == [f"{PLAYER} loading m2", f"{IDLE} m1 0"]


def test_a_replaced_piece_whose_source_fails_falls_silent():
    desk = Desk().to("playing").play("m2")
    desk.told(music.SourceFailed(attempt=1, code="pipeline_failed", message="", position_ms=0))
    assert (desk.orders(), desk.said()) == (["DropTrack 1"], [f"{PLAYER} loading m2"])


def test_if_the_next_piece_fails_the_replaced_one_fades_out():
    desk = Desk().to("playing").play("m2").fail()
    assert desk.said() == [
        f"{PLAYER} loading m2",
        f"{ERROR} m2 http_403",
        f"{PLAYER} idle m2 0",
        f"{ARMED} music_error",
    ]
    assert desk.messages()[-1] == playback.FadeOutTrack(track=1, fade_ms=FADE_OUT_MS)
    assert desk.silenced(1).said() == [f"{IDLE} m1 0"]


def test_a_stop_before_the_next_piece_is_heard_ends_both():
    desk = Desk().to("playing").play("m2").stop("m2")
    assert desk.orders() == ["FadeOutTrack 1"]
    assert desk.said()[1:] == [f"{PLAYER} idle m2 0", f"{IDLE} m2 0", f"{ARMED} music_stop"]
    assert desk.silenced(1).said() == [f"{IDLE} m1 0"]


def test_nothing_sounds_during_a_pause_not_even_what_was_replaced():
    desk = Desk().to("playing").play("m2").pause("m2")
    assert desk.orders() == ["DropTrack 1"]


def test_a_gain_of_a_piece_that_was_replaced_meanwhile_is_still_told():
    desk = Desk().to("playing").play("m2").told(music.GainReached(track=1, gain=0.2))
    assert desk.said()[-1] == "MusicGainReached m1 0.2"


# --- the ends that are not the music's own ---


@pytest.mark.parametrize("state", STATES)
def test_stop_playback_ends_everything_at_once_and_settles(state):
    desk = Desk().to(state).told(music.StopAllMusic())
    ended = [f"{PLAYER} idle m1 0", f"{IDLE} m1 0"] if state != "idle" else [f"{PLAYER} idle"]
    assert desk.said() == [*ended, f"{ARMED} stop_playback", "Settled"]
    assert desk.state == "idle"


@pytest.mark.parametrize("state", STATES)
def test_the_end_of_the_call_ends_everything_and_arms_nothing(state):
    desk = Desk().to(state).reset()
    ended = [f"{PLAYER} idle m1 0", f"{IDLE} m1 0"] if state != "idle" else []
    assert desk.said() == [*ended, "ResetBaton"]
    assert (desk.state, desk.sources.open_attempts, desk.leaving) == ("idle", [], 0)


@pytest.mark.parametrize("end", [music.StopAllMusic(), None])
def test_a_piece_that_still_sounds_gets_its_end_as_well(end):
    desk = Desk().to("playing").play("m2")
    desk.told(end) if end is not None else desk.reset()
    assert desk.said()[1:4] == [f"{IDLE} m1 0", f"{PLAYER} idle m2 0", f"{IDLE} m2 0"]
    desk.silenced(1)
    assert (desk.sources.open_attempts, desk.said()) == ([], [])


@pytest.mark.parametrize("state", BUSY)
def test_an_actor_that_fails_closes_its_sources_and_leaves_the_rest_to_its_heir(state):
    desk = Desk().to(state)
    desk.pump.tolerant = True
    desk.sources.open = None
    desk.play("m2")
    said = desk.said()
    assert (said[-1], said.count(f"{ERROR} m2 pipeline_failed")) == ("ActorFailed", 0)
    assert desk.sources.open_attempts == []
    assert desk.pump.failures
