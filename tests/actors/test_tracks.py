"""What the music actor hears of its tracks."""

import pytest

from clankvox.actors.tracks import Tracks
from clankvox.media.frame_ledger import FrameFate
from clankvox.media.mixer import Mixer, Reached
from clankvox.media.rtp_sender import OpusFrame, Part
from clankvox.messages.music import GainReached, TrackBegan, TrackExhausted, TrackPosition, TrackSilenced
from clankvox.messages.playback import CancelFadeOut, DropTrack, FadeOutTrack, HoldTrack, OfferTrack, ReleaseTrack
from tests.support.music import filled, stereo_tone


class Desk:
    def __init__(self, seconds=1.0):
        self.mixer, self.told, self.slot = Mixer(), [], 0
        self.tracks = Tracks(self.mixer, self.told.append)
        self.buffer = filled(stereo_tone(int(seconds * 48_000)))
        self.obey(OfferTrack(track=1, buffer=self.buffer, fade_in_ms=0))

    def obey(self, order):
        self.tracks.obey(order, self.slot * 0.02)
        self.news()

    def news(self, *, reachable=True):
        self.tracks.tell(self.mixer.advance(self.slot * 0.02), reachable=reachable)

    def make(self):
        mixed = self.mixer.next_frame(self.slot * 0.02, None)
        self.slot += 1
        if mixed is None:
            return None
        frame = OpusFrame(b"", audible=True, parts=tuple(Part(*track) for track in mixed.tracks))
        self.tracks.made(frame)
        self.news()
        return frame

    def run(self, slots, fate=FrameFate.SENT):
        for _ in range(slots):
            frame = self.make()
            if frame is not None:
                self.tracks.over(frame, fate)

    def heard(self):
        told, self.told[:] = list(self.told), []
        return told


def test_a_track_begins_with_its_first_packet_has_a_position_every_second_and_ends_when_all_of_it_was_sent():
    desk = Desk(seconds=2.5)
    desk.run(124)
    assert desk.heard() == [
        GainReached(track=1, gain=1.0),
        TrackBegan(track=1),
        TrackPosition(track=1, played_ms=1_000),
        TrackPosition(track=1, played_ms=2_000),
    ]
    last = desk.make()
    assert desk.heard() == []
    desk.tracks.over(last, FrameFate.SENT)
    assert desk.heard() == [TrackExhausted(track=1, played_ms=2_500)]
    assert desk.buffer.played_samples == 120_000


@pytest.mark.parametrize("fate", [FrameFate.REFUSED, FrameFate.DROPPED, FrameFate.UNSEALED])
def test_what_did_not_cross_the_wire_does_not_count(fate):
    desk = Desk()
    desk.run(10)
    desk.run(40, fate)
    assert desk.heard()[-1] == TrackExhausted(track=1, played_ms=200)


def test_a_dropped_track_is_told_at_once_and_a_stopped_one_in_its_time():
    desk = Desk()
    desk.run(10)
    desk.obey(FadeOutTrack(track=1, fade_ms=100))
    desk.obey(CancelFadeOut(track=1))
    desk.run(10)
    desk.heard()
    desk.obey(DropTrack(track=1))
    assert desk.heard() == [TrackSilenced(track=1, played_ms=400)]
    desk.run(5)
    desk.obey(DropTrack(track=1))
    assert desk.heard() == []


def test_a_held_track_keeps_its_position():
    desk = Desk()
    desk.run(10)
    desk.obey(HoldTrack(track=1))
    desk.run(1_000)
    assert desk.buffer.played_samples == 11 * 960
    desk.obey(ReleaseTrack(track=1))
    desk.run(10)
    assert desk.buffer.played_samples == 21 * 960


def test_a_gain_is_told_only_while_there_is_a_way_out():
    desk = Desk()
    desk.heard()
    desk.tracks.tell([Reached(1, 0.5)], reachable=False)
    assert desk.heard() == []
    desk.tracks.tell([Reached(None, 0.5)], reachable=True)
    assert desk.heard() == [GainReached(track=None, gain=0.5)]


def test_nothing_is_kept_of_a_track_that_is_over():
    desk = Desk()
    frame = desk.make()
    desk.obey(DropTrack(track=1))
    assert desk.tracks._accounts
    desk.tracks.over(frame, FrameFate.SENT)
    assert not desk.tracks._accounts
    assert desk.buffer.played_samples == 960
