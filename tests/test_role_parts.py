"""What one role is put together of: what is received reaches its actors, and feedback finds its way out."""

import pytest

from clankvox.clock import SystemClock
from clankvox.errors import TransportLost
from clankvox.ids import Role
from clankvox.media.frame_cipher import Gate
from clankvox.media.packet_sealer import PacketSealer
from clankvox.media.video_path import PublishCounters
from clankvox.media.watch_list import PictureWish, RemoteStream
from clankvox.outbox import Outbox
from clankvox.role_parts import RoleParts
from clankvox.wire.rtcp import RTCP_CLEAR_BYTES, Pli, build_pli, parse_compound
from clankvox.wire.transport_crypto import available_modes

KEY = bytes(range(32))
STREAM = RemoteStream(42, 20, 21, "screen", "100", PictureWish(2, 75))


class Wired:
    def __init__(self, role):
        self.sent = []
        self.parts = RoleParts(role, SystemClock(), Outbox(), lambda _message: None, lambda _message: None)
        self.parts.udp.send = self.sent.append
        self.sealer = PacketSealer(available_modes()[0], KEY)
        self.parts.cipher.set_gate(Gate.CLEAR)
        self.parts.pipeline.attach(1, 1000)
        self.parts.pipeline.open_with(self.sealer)


def test_watching_asks_the_sender_for_a_picture_under_the_right_protection():
    wired = Wired(Role.STREAM_WATCH)
    wired.parts.watch((STREAM,))
    wired.parts.pipeline.poll(wired.parts._clock.now())
    opened = [datagram[:8] + wired.sealer.open(datagram, RTCP_CLEAR_BYTES) for datagram in wired.sent]
    asked = [packet for compound in opened for packet in parse_compound(compound) if isinstance(packet, Pli)]
    assert [(pli.sender_ssrc, pli.media_ssrc) for pli in asked] == [(1000, 20)]
    wired.parts.close()


def test_the_decoding_thread_begins_with_the_first_wish_and_ends_with_its_role():
    wired = Wired(Role.VOICE)
    wired.parts.watch((STREAM._replace(wish=None),))
    assert not wired.parts.viewing.worker._thread.is_alive()
    wired.parts.watch((STREAM,))
    wired.parts.watch((STREAM,))
    assert wired.parts.viewing.worker._thread.is_alive()
    wired.parts.close()
    assert not wired.parts.viewing.worker._thread.is_alive()


def test_a_publisher_sees_nothing_and_hears_what_viewers_ask_for():
    wired = Wired(Role.STREAM_PUBLISH)
    asked = []
    wired.parts.on_feedback = lambda packet, _now: asked.append(packet)
    wired.parts.watch((STREAM,))
    assert wired.parts.viewing is wired.parts.video is None
    wired.parts.pipeline.feed(wired.sealer.seal_rtcp(build_pli(Pli(9, 7))), 0.0)
    assert asked == [Pli(9, 7)]
    wired.parts.close()


@pytest.mark.parametrize("failure", [TransportLost("gone")])
def test_feedback_that_cannot_leave_harms_nobody(failure):
    wired = Wired(Role.STREAM_WATCH)

    def lost(_datagram):
        raise failure

    wired.parts.udp.send = lost
    wired.parts._send_rtcp(build_pli(Pli(1, 2)))
    assert wired.parts._feedback_failures == 1
    wired.parts.pipeline.detach()
    wired.parts._send_rtcp(build_pli(Pli(1, 2)))
    assert wired.parts._feedback_failures == 1


def test_every_drop_that_is_counted_can_be_read_also_those_without_a_place_in_the_contract():
    wired = Wired(Role.STREAM_WATCH)
    assert wired.parts.counters() == {}
    wired.parts._feedback_failures = 1
    wired.parts.pipeline.totals.before_key = 2
    wired.parts.video.totals.streams_evicted = 3
    wired.parts.viewing.maker.totals.resets = 4
    wired.parts.viewing.outlet.too_large = 5
    wired.parts.viewing.worker.failures = 7
    wired.parts.udp._past = wired.parts.udp._past._replace(send_dropped=6)
    assert wired.parts.counters() == {
        "feedback_not_sent": 1,
        "audio_before_key": 2,
        "video_streams_evicted": 3,
        "pictures_resets": 4,
        "pictures_beyond_a_frame": 5,
        "pictures_failed": 7,
        "udp_send_dropped": 6,
    }
    wired.parts.close()


def test_what_becomes_of_our_own_pictures_is_counted_with_their_role():
    wired = Wired(Role.STREAM_PUBLISH)
    wired.parts.published = PublishCounters()
    wired.parts.published.retransmitted = 7
    assert wired.parts.counters() == {"published_retransmitted": 7}
    wired.parts.close()
