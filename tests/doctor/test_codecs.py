"""Codecs work here, and each kind of fault is found."""

import numpy as np
import pytest

from clankvox.doctor import codecs
from clankvox.doctor.finding import Wrong
from clankvox.media.jpeg import JpegEncoder
from clankvox.media.opus_encoder import OpusEncoder
from clankvox.media.resample import StreamResampler
from clankvox.media.video_encoder import AccessUnit, VideoEncoder

ALL = (codecs.opus, codecs.h264, codecs.vp8, codecs.jpeg, codecs.resampling)


@pytest.mark.parametrize("check", ALL, ids=lambda check: check.__name__)
def test_all_is_well_here(check):
    assert check()


def test_another_sound_is_wrong(monkeypatch):
    monkeypatch.setattr(codecs, "_TONE_HZ", 1_300)
    with pytest.raises(Wrong, match="known packets"):
        codecs.opus()


def test_an_encoder_that_makes_silence_is_wrong(monkeypatch):
    monkeypatch.setattr(OpusEncoder, "encode", lambda _self, _pcm: b"\xf8\xff\xfe")
    with pytest.raises(Wrong, match="own packets"):
        codecs.opus()


@pytest.mark.parametrize(("name", "check"), [("_DARK", codecs.vp8), ("_BRIGHT", codecs.h264)])
def test_another_picture_is_wrong(monkeypatch, name, check):
    monkeypatch.setattr(codecs, name, 120)
    with pytest.raises(Wrong, match="halves of 60 and 200"):
        check()


def test_a_picture_that_is_no_key_frame_when_one_was_asked_for_is_wrong(monkeypatch):
    monkeypatch.setattr(VideoEncoder, "encode", lambda *_, **__: AccessUnit(b"", keyframe=False))
    with pytest.raises(Wrong, match="key frame"):
        codecs.h264()


def test_what_is_no_jpeg_is_wrong(monkeypatch):
    monkeypatch.setattr(JpegEncoder, "encode", lambda *_: b"GIF89a")
    with pytest.raises(Wrong, match="no JPEG"):
        codecs.jpeg()


def test_a_lost_sample_is_wrong(monkeypatch):
    whole = StreamResampler.finish
    monkeypatch.setattr(StreamResampler, "finish", lambda self: whole(self)[:-1])
    with pytest.raises(Wrong, match="47999 samples of 48000"):
        codecs.resampling()


def test_steps_in_the_sound_are_wrong(monkeypatch):
    whole = StreamResampler.push

    def torn(self, pcm):
        out = whole(self, pcm).copy()
        out[: len(out) // 2] = np.roll(out[: len(out) // 2], 20)
        return out

    monkeypatch.setattr(StreamResampler, "push", torn)
    with pytest.raises(Wrong, match="Hz: the tone"):
        codecs.resampling()
