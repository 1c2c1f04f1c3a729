from clankvox.fsm.music import MusicMachine
from tests.support.tables import assert_exactly


def test_every_event_in_every_state():
    assert_exactly(
        MusicMachine,
        """
        play_requested: idle>loading loading>loading waiting>loading playing>loading finishing>loading \
            stopping>loading stopping_finishing>loading paused_loading>loading paused_unheard>loading paused>loading \
            paused_finishing>loading paused_broken>loading reopening>loading
        pause_requested: loading>paused_loading waiting>paused_unheard playing>paused finishing>paused_finishing \
            stopping>paused stopping_finishing>paused_finishing reopening>paused_broken
        resume_requested: paused_loading>loading paused_unheard>waiting paused>playing paused_finishing>finishing \
            paused_broken>reopening stopping>playing stopping_finishing>finishing
        fade_out_begun: playing>stopping
        revived: idle>reopening
        revived_paused: idle>paused_broken
        source_started: loading>waiting paused_loading>paused_unheard reopening>playing
        admitted: waiting>playing
        source_ended: playing>finishing stopping>stopping_finishing paused>paused_finishing
        source_lost: paused>paused_broken paused_unheard>paused_broken
        track_lost: playing>reopening finishing>reopening paused>paused_broken paused_finishing>paused_broken
        source_failed: loading>idle waiting>idle playing>idle paused_loading>idle reopening>idle
        all_played: playing>idle finishing>idle paused>idle paused_finishing>idle reopening>idle
        stopped: loading>idle waiting>idle playing>idle finishing>idle stopping>idle stopping_finishing>idle \
            paused_loading>idle paused_unheard>idle paused>idle paused_finishing>idle paused_broken>idle reopening>idle
        """,
    )
