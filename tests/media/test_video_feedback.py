"""Requests about our picture are heard, and only those."""

from random import Random

from clankvox.media.retransmitter import Retransmitter
from clankvox.media.video_feedback import VideoFeedback
from clankvox.wire.rtcp import Fir, FirRequest, Nack, Pli, ReceiverReport, ReportBlock, Unknown
from tests.media.test_video_sender import IDR, Publisher
from tests.support.published import RTX_SSRC, SSRC

VIEWER, OTHER = 77, 4999


class Stage:
    def __init__(self):
        self.publisher = Publisher()
        self.publisher.send(IDR, 10.0)
        self.publisher.lane.leave()
        self.asked = 0
        retransmitter = Retransmitter(self.publisher.sender, Random(1))
        self.feedback = VideoFeedback(self.publisher.path, retransmitter, self._ask)

    def _ask(self):
        self.asked += 1

    def hear(self, *packets, now=10.5):
        for packet in packets:
            self.feedback.receive(packet, now)


def test_pli_and_fir_ask_for_a_key_frame():
    stage = Stage()
    stage.hear(Pli(VIEWER, SSRC), Fir(VIEWER, (FirRequest(SSRC, 0),)))
    assert stage.asked == 2
    assert stage.publisher.counters.keyframe_requests == 2


def test_a_repeated_fir_command_is_one_request_and_the_next_command_another():
    stage = Stage()
    for command in (5, 5, 5, 6):
        stage.hear(Fir(VIEWER, (FirRequest(SSRC, command),)))
    stage.hear(Fir(VIEWER + 1, (FirRequest(SSRC, 6),)))
    assert stage.asked == 3


def test_what_is_about_others_is_ignored():
    stage = Stage()
    (header, _), *_ = stage.publisher.packets()
    stage.hear(
        Pli(VIEWER, OTHER),
        Fir(VIEWER, (FirRequest(OTHER, 1),)),
        Nack(VIEWER, OTHER, (header.sequence,)),
        Unknown(205, 15, b"\0" * 8),
        ReceiverReport(VIEWER, (ReportBlock(OTHER, 128, 1, 1, 1, 0, 0),)),
    )
    assert stage.asked == 0
    assert stage.publisher.lane.groups == []


def test_a_nack_is_answered_on_the_rtx_stream():
    stage = Stage()
    (header, _), *_ = stage.publisher.packets()
    stage.hear(Nack(VIEWER, SSRC, (header.sequence,)))
    stage.publisher.lane.leave()
    assert len(stage.publisher.packets(RTX_SSRC)) == 1


def test_a_thousand_viewers_cost_bounded_memory():
    stage = Stage()
    for viewer in range(1_000):
        stage.hear(Fir(viewer, (FirRequest(SSRC, 1),)))
    assert stage.asked == 1_000
    assert len(stage.feedback._fir_commands) <= 64
