"""When speech starts, waits and ends; and that all of it comes out. A slot lasts 20 ms; `now` is its deadline."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clankvox.errors import InvalidRequest
from clankvox.media.pcm_intake import PcmIntake
from clankvox.media.tts_buffer import CAPACITY_SAMPLES, FlowState, OverflowRule, TtsBuffer
from tests.support.spoken import decode_stereo, error_db, stereo_frames, tone, voice

REFUSE, TRUNCATE = OverflowRule.REFUSE, OverflowRule.TRUNCATE
SLOT_S = 0.02


def pcm(ms, rate_hz=48_000, hz=440.0):
    """PCM without a single zero sample, so that whatever is missing shows."""
    sound = tone(ms / 1000, hz, rate_hz=rate_hz)
    sound[sound == 0] = 1
    return sound.tobytes()


class Talk:
    """A buffer on a grid of slots; `arrivals` maps ms to PCM, pushed before the slot of that instant or later."""

    def __init__(self, arrivals, *, finish_ms=None, rate_hz=48_000):
        self.buffer = TtsBuffer()
        self.arrivals = sorted(arrivals.items())
        self.finish_ms = finish_ms
        self.rate_hz = rate_hz

    def run(self, until_ms):
        """Frames by slot number, None where there was none."""
        frames = []
        for slot in range(until_ms // 20):
            while self.arrivals and self.arrivals[0][0] <= slot * 20:
                at, data = self.arrivals.pop(0)
                self.buffer.push(data, self.rate_hz, at / 1000, REFUSE)
            if self.finish_ms is not None and self.finish_ms <= slot * 20:
                self.buffer.finish()
                self.finish_ms = None
            frames.append(self.buffer.next_frame(slot * SLOT_S))
        return frames


def slots(frames):
    return [slot for slot, frame in enumerate(frames) if frame is not None]


def sound(frames):
    return np.concatenate([f.samples[: f.pcm_samples] for f in frames if f is not None] or [np.zeros(0, np.int16)])


# --- when it starts -------------------------------------------------------------------------------------------------


def test_a_start_waits_so_that_the_next_chunk_may_be_late():
    assert slots(Talk({0: pcm(250)}).run(100)) == [2, 3, 4]


@pytest.mark.parametrize("chunk_ms", [5, 10, 20, 40, 100, 250])
@pytest.mark.parametrize("phase_ms", [0, 1, 13, 19])
@pytest.mark.parametrize("rate_hz", [16_000, 24_000, 48_000])
def test_pcm_that_keeps_up_starts_within_60_ms_and_never_has_a_gap(chunk_ms, phase_ms, rate_hz):
    whole = pcm(2000, rate_hz)
    size = 2 * rate_hz * chunk_ms // 1000
    arrivals = {phase_ms + i * chunk_ms: whole[i * size : (i + 1) * size] for i in range(2000 // chunk_ms)}
    talk = Talk(arrivals, finish_ms=phase_ms + 2000 - chunk_ms, rate_hz=rate_hz)
    frames = talk.run(2400)
    played = slots(frames)
    assert played[0] * 20 <= phase_ms + 60
    assert played == list(range(played[0], played[-1] + 1))
    assert {frames[slot].pcm_samples for slot in played[:-2]} == {960}
    assert len(sound(frames)) == 96_000
    assert talk.buffer.underruns == 0
    assert talk.buffer.drained


def test_chunks_that_jitter_by_two_slots_leave_no_gap():
    rng = np.random.default_rng(1)
    late = {0: 0.0} | {i: float(rng.uniform(0, 38)) for i in range(1, 100)}
    whole = pcm(2000)
    arrivals = {i * 20 + late[i]: whole[i * 1920 : (i + 1) * 1920] for i in range(100)}
    # no jitter may change the order
    talk = Talk(dict(zip(sorted(arrivals), [whole[i * 1920 : (i + 1) * 1920] for i in range(100)], strict=True)))
    played = slots(talk.run(2000))
    assert played == list(range(played[0], played[-1] + 1))
    assert talk.buffer.underruns == 0


def test_a_short_word_that_is_finished_starts_at_once_and_ends_at_once():
    talk = Talk({0: pcm(30)}, finish_ms=0)
    frames = talk.run(200)
    assert slots(frames)[0] == 0
    assert [f.pcm_samples for f in frames if f is not None] == [960, 480]
    assert talk.buffer.drained


# --- when it ends ---------------------------------------------------------------------------------------------------


def test_a_partial_frame_is_held_and_then_padded():
    talk = Talk({0: pcm(70)})
    frames = [f for f in talk.run(200) if f is not None]
    assert [f.pcm_samples for f in frames] == [960, 960, 960, 480]
    last = frames[3]
    assert last.audible
    assert not last.samples[480:].any()


def test_the_rest_of_a_frame_that_comes_in_time_makes_it_whole():
    talk = Talk({0: pcm(10), 15: pcm(10)})
    frames = [f for f in talk.run(200) if f is not None]
    assert frames[0].pcm_samples == 960


def test_finish_releases_what_the_resampler_holds():
    buffer = TtsBuffer()
    buffer.push(pcm(500, 24_000), 24_000, 0.0, REFUSE)
    buffer.finish()
    frames = [buffer.next_frame(i * SLOT_S) for i in range(40)]
    assert len(sound(frames)) == 24_000
    assert buffer.drained


def test_the_last_word_is_not_left_in_the_encoder():
    talk = Talk({0: pcm(100)}, finish_ms=0)
    frames = [f for f in talk.run(300) if f is not None]
    assert [(f.pcm_samples, f.audible) for f in frames] == [(960, True)] * 5 + [(0, False)]


def test_nothing_at_all_is_drained_by_finish():
    buffer = TtsBuffer()
    buffer.finish()
    assert buffer.drained
    assert buffer.next_frame(0.0) is None


def test_one_byte_alone_is_no_sample_and_no_frame():
    buffer = TtsBuffer()
    assert buffer.push(b"\x01", 24_000, 0.0, REFUSE).added_samples == 0
    buffer.finish()
    assert buffer.drained


def test_silence_is_played_and_not_audible():
    frames = [f for f in Talk({0: bytes(1920 * 3)}, finish_ms=0).run(200) if f is not None]
    assert sum(f.pcm_samples for f in frames) == 2880
    assert not any(f.audible for f in frames)


def test_pcm_after_finish_is_refused():
    buffer = TtsBuffer()
    buffer.finish()
    with pytest.raises(InvalidRequest):
        buffer.push(pcm(20), 48_000, 0.0, REFUSE)


# --- underruns ------------------------------------------------------------------------------------------------------


def test_late_pcm_is_an_underrun_and_waits_for_a_little_more_each_time():
    arrivals = {at: pcm(100) for at in range(0, 1500, 300)}
    talk = Talk(arrivals)
    frames = talk.run(1800)
    assert talk.buffer.underruns == 4
    starts = [slot for slot in slots(frames) if frames[slot - 1] is None or slot == 0]
    # after 40 ms at first; then later, but 60 ms suffice to see that no more comes
    assert starts == [2, 18, 33, 48, 63]
    assert len(sound(frames)) == 5 * 4800


def test_a_new_utterance_after_a_pause_is_no_underrun():
    talk = Talk({0: pcm(100), 1000: pcm(100)})
    frames = talk.run(1400)
    assert talk.buffer.underruns == 0
    assert slots(frames)[6] == 52


def test_an_underrun_within_a_frame_keeps_its_beginning_for_later():
    whole = pcm(200)
    talk = Talk({0: whole[: 2 * 3360], 100: whole[2 * 3360 : 2 * 3400], 140: whole[2 * 3400 :]})
    frames = talk.run(600)
    assert talk.buffer.underruns == 1
    assert sound(frames).tobytes() == whole
    assert [f.pcm_samples for f in frames if f is not None][:4] == [960] * 4


# --- bounds ---------------------------------------------------------------------------------------------------------


def test_fifteen_seconds_fit_and_one_sample_more_does_not():
    buffer = TtsBuffer()
    assert buffer.push(bytes(2 * CAPACITY_SAMPLES), 48_000, 0.0, REFUSE).dropped_samples == 0
    result = buffer.push(bytes(2), 48_000, 0.0, REFUSE)
    assert result == (0, 1, CAPACITY_SAMPLES + 1)


def test_a_refused_chunk_leaves_no_trace():
    buffer = TtsBuffer()
    first, more = pcm(1000, 24_000), pcm(500, 24_000, 700.0)
    buffer.push(first + b"\x05", 24_000, 0.0, REFUSE)
    before = buffer.buffered_samples
    result = buffer.push(bytes(5_000_000), 24_000, 0.0, REFUSE)
    assert result.added_samples == 0
    assert result.dropped_samples == 5_000_000
    assert result.would_be_samples == before + 5_000_000
    assert buffer.buffered_samples == before
    buffer.push(b"\x00" + more, 24_000, 0.0, REFUSE)
    buffer.finish()
    frames = [buffer.next_frame(i * SLOT_S) for i in range(100)]
    assert sound(frames).tobytes() == at_48k(first + b"\x05\x00" + more, 24_000).tobytes()


def at_48k(data, rate_hz):
    intake = PcmIntake()
    return np.concatenate((intake.push(data, rate_hz, 1 << 30), intake.finish_stretch()))


@pytest.mark.parametrize("rate_hz", [8_000, 22_050, 24_000, 44_100, 48_000])
def test_truncation_keeps_the_oldest_that_fits(rate_hz):
    buffer = TtsBuffer()
    data = np.tile(voice(1.0, rate_hz=rate_hz), 20).tobytes()
    result = buffer.push(data, rate_hz, 0.0, TRUNCATE)
    assert CAPACITY_SAMPLES - 8 <= buffer.buffered_samples <= CAPACITY_SAMPLES
    assert result.added_samples == buffer.buffered_samples
    assert result.added_samples + result.dropped_samples == result.would_be_samples == 20 * 48_000
    buffer.finish()
    frames = [buffer.next_frame(i * SLOT_S) for i in range(800)]
    got = sound(frames)
    assert np.array_equal(got[:-200], at_48k(data, rate_hz)[: len(got) - 200])


def test_after_truncation_there_is_room_again_as_frames_leave():
    buffer = TtsBuffer()
    buffer.push(bytes(2_000_000), 48_000, 0.0, TRUNCATE)
    buffer.next_frame(0.04)
    assert buffer.push(bytes(4000), 48_000, 0.0, TRUNCATE).added_samples == 960


@pytest.mark.parametrize("rate_hz", [7_999, 48_001])
def test_a_rate_out_of_range_changes_nothing(rate_hz):
    buffer = TtsBuffer()
    with pytest.raises(InvalidRequest):
        buffer.push(pcm(100), rate_hz, 0.0, REFUSE)
    assert buffer.state is FlowState.EMPTY
    assert buffer.buffered_samples == 0


# --- all of it comes out, and nothing stays -------------------------------------------------------------------------


@settings(max_examples=50, deadline=None)
@given(
    st.sampled_from([8_000, 16_000, 22_050, 24_000, 44_100, 48_000]),
    st.lists(st.tuples(st.integers(1, 8000), st.integers(0, 12)), min_size=1, max_size=40),
)
def test_whatever_the_chunks_and_their_times_every_sample_comes_out_once(rate_hz, chunks):
    whole = np.tile(np.frombuffer(pcm(500, rate_hz), np.int16), 8).tobytes()
    buffer, frames, start, now = TtsBuffer(), [], 0, 0.0
    kept = b""
    for size, slots_after in chunks:
        chunk = whole[start : start + size]
        if buffer.push(chunk, rate_hz, now, REFUSE).dropped_samples:
            break
        start += size
        kept += chunk
        for _ in range(slots_after):
            frames.append(buffer.next_frame(now))
            now += SLOT_S
    buffer.finish()
    while not buffer.drained:
        frames.append(buffer.next_frame(now))
        now += SLOT_S
        assert len(frames) < 2000
    got = sound(frames)
    stretches_may_round = 40
    wanted = at_48k(kept[: len(kept) & ~1], rate_hz)
    assert abs(len(got) - len(wanted)) <= stretches_may_round
    assert buffer.buffered_samples == 0
    assert not buffer._ring._samples.any()
    if rate_hz == 48_000 or not any(after for _, after in chunks):
        assert np.array_equal(got, wanted)


def test_what_a_peer_decodes_is_what_plain_libopus_makes_of_the_same_pcm():
    from clankvox.media.opus_encoder import OpusEncoder  # noqa: PLC0415

    spoken = voice(2.0, rate_hz=24_000)
    data = spoken.tobytes()
    talk = Talk({i: data[i * 97 : (i + 1) * 97] for i in range(len(data) // 97 + 1)}, finish_ms=1000, rate_hz=24_000)
    frames = [f.samples for f in talk.run(2400) if f is not None]
    encoder, plain = OpusEncoder(), OpusEncoder()
    ours = [encoder.encode(np.repeat(frame[:, np.newaxis], 2, axis=1)) for frame in frames]
    wanted = [plain.encode(frame) for frame in stereo_frames(at_48k(data, 24_000))]
    heard, reference = decode_stereo(ours), decode_stereo(wanted)
    assert error_db(heard[: len(reference)], reference) < -80


def test_clear_overwrites_every_sample_and_is_ready_for_the_next_playback():
    buffer = TtsBuffer()
    buffer.push(pcm(1000, 24_000) + b"\x01", 24_000, 0.0, REFUSE)
    buffer.next_frame(0.04)
    buffer.finish()
    buffer.clear()
    assert not buffer._ring._samples.any()
    assert buffer.buffered_samples == 0
    assert buffer.state is FlowState.EMPTY
    assert buffer.next_frame(0.02) is None
    data = pcm(100)
    buffer.push(data, 48_000, 1.0, REFUSE)
    assert buffer.next_frame(1.04).samples.tobytes() == data[:1920]


def test_frames_are_the_callers_to_wipe():
    buffer = TtsBuffer()
    data = pcm(100)
    buffer.push(data, 48_000, 0.0, REFUSE)
    buffer.next_frame(0.04).samples.fill(0)
    assert buffer.next_frame(0.06).samples.tobytes() == data[1920:3840]


def test_a_cut_gives_what_would_have_come_next_and_forgets_the_rest():
    buffer = TtsBuffer()
    buffer.push(pcm(500), 48_000, 0.0, OverflowRule.REFUSE)
    assert len(buffer.cut(240)) == 0  # it has not begun to sound
    buffer.push(pcm(500), 48_000, 1.0, OverflowRule.REFUSE)
    frames = [buffer.next_frame(1.0 + slot * 0.02) for slot in range(10)]
    given = sum(frame.pcm_samples for frame in frames if frame is not None)
    rest = buffer.cut(240)
    assert np.array_equal(rest, np.frombuffer(pcm(500), "<i2")[given : given + 240])
    assert (buffer.state, buffer.buffered_samples) == (FlowState.EMPTY, 0)
