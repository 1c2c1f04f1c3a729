"""The reader without a network: files in memory that break where a connection would."""

import io

import av
import numpy as np
import pytest

from clankvox.media.source_fault import NoAudio, SourceFault
from clankvox.media.track_reader import TrackReader
from tests.support.encoded import KINDS, encode, encoded, stereo_signal, video_only


class Breaking(io.BytesIO):
    """Raises behind `limit`, once there is one: where the connection breaks."""

    limit = None

    def read(self, size=-1):
        if self.limit is not None and self.tell() + max(size, 0) > self.limit:
            raise OSError(5, "cut")
        return super().read(size)


def read_all(reader, parts):
    while (pcm := reader.read()) is not None:
        parts.append(pcm)


def decode(data, start_ms=0):
    reader, parts = TrackReader(start_ms), []
    with av.open(io.BytesIO(data)) as container:
        reader.attach(container, lambda: True)
        read_all(reader, parts)
    return np.concatenate(parts), reader


def break_at(reader, parts, data, limit):
    source = Breaking(data)
    with av.open(source, buffer_size=4_096) as container:
        reader.attach(container, lambda: True)
        source.limit = limit
        with pytest.raises(SourceFault):
            read_all(reader, parts)


def decode_broken(data, limits):
    """Open with each limit in turn, then without one."""
    reader, parts = TrackReader(), []
    for limit in limits:
        break_at(reader, parts, data, limit)
    with av.open(io.BytesIO(data)) as container:
        reader.attach(container, lambda: True)
        read_all(reader, parts)
    return np.concatenate(parts)


def test_the_position_is_that_of_the_next_sample():
    pcm, reader = decode(encoded("flac"))
    assert (len(pcm), reader.position_ms, reader.heard) == (288_000, 6_000, True)
    assert reader.read() is None


@pytest.mark.parametrize("name", ["flac", "mp3", "vorbis", "wav"])
def test_opened_anew_it_goes_on_with_the_next_sample(name):
    data = encoded(name, 20.0)
    whole, _ = decode(data)
    size = len(data)
    assert np.array_equal(decode_broken(data, [size // 2]), whole)
    assert np.array_equal(decode_broken(data, [size // 3, size // 2, size * 3 // 4]), whole)


def test_a_short_track_that_broke_early_is_read_from_its_beginning():
    data = encoded("wav")
    whole, _ = decode(data)
    assert np.array_equal(decode_broken(data, [100_000]), whole)


@pytest.mark.parametrize("start_ms", [10, 500, 3_300])
def test_it_can_begin_in_mid_track(start_ms):
    whole, _ = decode(encoded("wav"))
    part, reader = decode(encoded("wav"), start_ms)
    assert np.array_equal(part, whole[start_ms * 48 :])
    assert reader.position_ms == 6_000


def test_a_start_behind_the_end_is_no_audio():
    with pytest.raises(NoAudio):
        decode(encoded("wav"), start_ms=60_000)


def test_pictures_alone_are_no_audio():
    with pytest.raises(NoAudio):
        decode(video_only())


def test_a_file_that_is_another_one_now_does_not_go_on_in_the_wrong_place():
    """Its length and time stamps may fit; its sound does not, so it is read from its beginning, and is what it is."""
    kind = KINDS["wav"]
    data = encoded("wav")
    noise = np.random.default_rng(3).normal(0, 5_000, stereo_signal(48_000).shape).astype(np.int16)
    other = encode(noise, kind)
    reader, parts = TrackReader(), []
    break_at(reader, parts, data, len(data) // 2)
    with av.open(io.BytesIO(other)) as container:
        reader.attach(container, lambda: True)
        with pytest.raises(SourceFault, match="sought"):
            read_all(reader, parts)
    with av.open(io.BytesIO(other)) as container:
        reader.attach(container, lambda: True)
        read_all(reader, parts)
    assert sum(map(len, parts)) == 288_000


def test_damaged_frames_are_left_out():
    data = bytearray(encoded("flac"))
    data[len(data) // 2 : len(data) // 2 + 200] = bytes(200)
    pcm, _ = decode(bytes(data))
    assert 5.0 < len(pcm) / 48_000 <= 6.0
