from clankvox.media.parameter_sets import MOST_SET_BYTES, ParameterSets
from clankvox.wire.h264 import NalType, join_annex_b, nal_type, split_annex_b
from tests.support.coded_video import access_units

NALS = split_annex_b(access_units(1)[0])
SPS, PPS = (next(nal for nal in NALS if nal_type(nal) == kind) for kind in (NalType.SPS, NalType.PPS))
IDR = b"\x65slice"


def test_a_key_frame_gets_what_it_lacks_and_no_more():
    sets = ParameterSets()
    assert sets.missing_from([IDR]) == b""
    sets.learn(NALS)
    assert sets.missing_from([IDR]) == join_annex_b([SPS, PPS])
    assert sets.missing_from([SPS, IDR]) == join_annex_b([PPS])
    assert sets.missing_from(NALS) == b""


def test_the_newest_of_an_id_is_kept():
    sets = ParameterSets()
    newer = PPS + b"\x80"
    sets.learn([SPS, PPS, newer])
    assert sets.missing_from([IDR]) == join_annex_b([SPS, newer])


def test_oversize_and_unreadable_sets_are_not_kept():
    sets = ParameterSets()
    sets.learn([SPS + b"x" * MOST_SET_BYTES, b"\x68", b"\x67\x42"])
    assert sets.missing_from([IDR]) == b""


def test_the_number_of_sets_is_bounded():
    sets = ParameterSets()
    for number in range(255):
        bits = f"{number + 1:b}"
        text = "0" * (len(bits) - 1) + bits + "1"
        text += "0" * (-len(text) % 8)
        sets.learn([b"\x68" + int(text, 2).to_bytes(len(text) // 8, "big")])
    assert len(split_annex_b(sets.missing_from([IDR]))) == 32
