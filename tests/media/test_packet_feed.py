import io

import av
import pytest

from clankvox.media.packet_feed import GapFound, PacketFeed
from clankvox.media.source_fault import PipelineFailed
from tests.support.encoded import encoded, hls


class Container:
    """Demuxes prepared packets, and fails where a connection would."""

    def __init__(self, packets, error=None):
        self.packets = packets
        self.error = error

    def demux(self, stream):
        yield from self.packets
        if self.error is not None:
            raise self.error


def packets_of(data):
    with av.open(io.BytesIO(data)) as container:
        return [packet for packet in container.demux(audio=0) if packet.size]


def feed(packets, error=None, whole=True, tolerated=frozenset()):
    return PacketFeed(Container(packets, error), None, lambda: whole, tolerated)


def drain(feed, into=None):
    came = [] if into is None else into
    while (packet := feed.next()) is not None:
        came.append(packet)
    return came


@pytest.fixture(scope="module")
def packets():
    return packets_of(encoded("mp3"))


def test_at_the_end_of_the_file_every_packet_has_come(packets):
    assert drain(feed(packets)) == packets


def test_a_packet_is_kept_until_a_later_one_proves_it_whole(packets):
    reader = feed(packets[:10], OSError("cut"))
    came = []
    with pytest.raises(OSError, match="cut"):
        drain(reader, came)
    assert came == packets[:9]


def test_a_wav_that_was_written_to_a_pipe_comes_to_its_last_sample():
    data = bytearray(encoded("wav", 0.5))
    for at in (4, data.index(b"data") + 4):
        data[at : at + 4] = b"\xff\xff\xff\xff"
    with av.open(io.BytesIO(data)) as container:
        packets = drain(PacketFeed(container, container.streams.audio[0], lambda: True, frozenset()))
    assert sum(packet.size for packet in packets) == 24_000 * 4


def test_an_end_that_is_none_drops_the_last_packet_and_is_an_error(packets):
    reader = feed(packets[:10], whole=False)
    came = []
    with pytest.raises(PipelineFailed):
        drain(reader, came)
    assert came == packets[:9]


def test_equal_beginnings_have_equal_digests_and_lose_nothing(packets):
    first, second, other = feed(packets), feed(packets[:100]), feed(packets[1:])
    assert first.digest() == second.digest() != other.digest()
    assert drain(first) == packets


def without_a_second():
    """Packets of an HLS stream of which the third segment could not be read."""
    files = hls()
    return packets_of(files["segment0.ts"]) + packets_of(files["segment2.ts"])


def test_a_gap_is_an_error_that_names_where_the_stream_goes_on():
    packets = without_a_second()
    reader = feed(packets)
    with pytest.raises(GapFound) as raised:
        drain(reader)
    assert raised.value.end_pts in {packet.pts for packet in packets}


def test_a_gap_that_is_tolerated_is_only_marked():
    packets = without_a_second()
    with pytest.raises(GapFound) as raised:
        drain(feed(packets))
    reader = feed(packets, tolerated=frozenset((raised.value.end_pts,)))
    leaps = []
    while (packet := reader.next()) is not None:
        leaps += [packet.pts] * reader.leapt
    assert leaps == [raised.value.end_pts]


def test_a_stream_that_may_jump_has_no_gaps():
    packets = without_a_second()
    assert drain(feed(packets, tolerated=None)) == packets
