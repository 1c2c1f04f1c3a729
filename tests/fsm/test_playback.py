from clankvox.fsm.playback import PlaybackMachine
from tests.support.tables import assert_exactly


def test_every_event_in_every_state():
    assert_exactly(
        PlaybackMachine,
        """
        audio_accepted: idle>buffered
        became_audible: buffered>started finishing_unheard>finishing
        finish_requested: buffered>finishing_unheard started>finishing
        drained: buffered>idle started>idle finishing_unheard>idle finishing>idle
        stopped: buffered>idle started>idle finishing_unheard>idle finishing>idle
        failed: buffered>idle started>idle finishing_unheard>idle finishing>idle
        """,
    )
