from clankvox.loopback.packet_dress import audio_header
from clankvox.loopback.video_statistics import VideoStatistics


def statistics(*packets):
    found = VideoStatistics()
    for sequence, payload, marker in packets:
        header = audio_header(sequence & 0xFFFF, 1, 1)._replace(marker=marker)
        found.arrived(header, payload, sequence / 100)
        found.watch(header, payload, encryption_due=True, in_transition=False)
    return found


def test_packets_pictures_and_padding_are_counted_over_the_wrap():
    found = statistics((65_535, b"a", False), (65_536, b"b\xfa\xfa", True), (65_537, b"", False), (65_538, b"c", True))
    report = found.report()
    assert (report["packets"], report["pictures"], report["paddingPackets"], report["bytes"]) == (4, 2, 1, 5)
    assert (report["davePictures"], report["plaintextPictures"], report["lostPackets"]) == (1, 1, 0)


def test_what_comes_late_was_not_lost():
    found = statistics((1, b"a", False), (5, b"b", False), (3, b"c", False))
    assert (found.lost_packets, found.late_packets) == (2, 1)


def test_clear_pictures_count_only_where_encryption_is_due():
    found = VideoStatistics()
    header = audio_header(1, 1, 1)._replace(marker=True)
    found.watch(header, b"clear", encryption_due=False, in_transition=False)
    found.watch(header, b"clear", encryption_due=True, in_transition=True)
    assert (found.pictures, found.plaintext_pictures, found.plaintext_in_transition) == (2, 0, 1)
