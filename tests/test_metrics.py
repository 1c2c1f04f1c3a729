"""The families are the numbers of `transport_stats`, taken apart."""

import re
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from clankvox.clock import SystemClock
from clankvox.ids import ActorKind, Role, connection_address
from clankvox.ledger import Fate
from clankvox.media.frame_ledger import FrameFate, FrameLedger
from clankvox.media.video_path import PublishCounters
from clankvox.metrics import Metrics
from clankvox.outbox import Outbox
from clankvox.role_parts import RoleParts
from clankvox.shells.pacer import Pacer
from clankvox.telemetry import Telemetry

OPERATIONS = Path(__file__).parent.parent / "docs" / "operations.md"
OPENMETRICS = "application/openmetrics-text; version=1.0.0"


PUBLISHED = (
    "frames_sent",
    "frames_dropped",
    "packets_stale",
    "send_failures",
    "nacked",
    "retransmitted",
    "keyframe_requests",
)
REPAIRED = ("lost", "nacked", "rtx_recovered", "plis")


def nobody(_message):
    pass


@pytest.fixture
def telemetry():
    clock, outbox = SystemClock(), Outbox()
    roles = [RoleParts(role, clock, outbox, nobody, nobody) for role in Role]
    for number, parts in enumerate(roles, 1):
        parts.pipeline.totals.packets = number
        parts.pipeline.totals.transport_decrypt_fail = 2 * number
        for fate in Fate:
            parts.pipeline._streams._ended.fates[fate] = number
        if parts.video is not None:
            parts.video.totals.packets = 10 * number
            parts.video.totals.dave_decrypt_fail = number
            for step, name in enumerate(REPAIRED, 3):
                setattr(parts.video.totals, name, step * number)
    frames, published, sound = FrameLedger(), PublishCounters(), FrameLedger()
    frames.made = 9
    frames.fates[FrameFate.SENT] = 7
    sound.fates[FrameFate.SENT] = 5
    published.packets_sent = 11
    for number, name in enumerate(PUBLISHED, 20):
        setattr(published, name, number)
    made = Telemetry(clock, Pacer(clock), outbox, roles, frames, published, sound, lambda: {"router": 3})
    made.lateness_s.observe(0.0004)
    made.tally.dave_transition_s[Role.VOICE].observe(0.25)
    made.tally.reconnects[Role.VOICE, "4015", "new_session"] = 2
    made.tally.links_lost[Role.STREAM_WATCH, "4017"] = 1
    return made


def samples(telemetry, accept=OPENMETRICS):
    page = Metrics(telemetry).render(accept)
    parse = parse_openmetrics if "openmetrics" in page.content_type else parse_text
    families = list(parse(page.body.decode()))
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value for family in families for sample in family.samples
    }


def total(found, name, *labels):
    return sum(value for key, value in found.items() if key[0] == name and set(labels) <= set(key[1:]))


@pytest.mark.parametrize("accept", [OPENMETRICS, "text/plain", ""])
def test_a_page_is_what_parsers_of_its_format_read(telemetry, accept):
    assert samples(telemetry, accept)["clankvox_rtp_packets_total", "audio", "in", "voice"] == 1


def test_sums_over_the_roles_are_what_the_parent_is_told(telemetry):
    found, told = samples(telemetry), telemetry.collect()
    assert total(found, "clankvox_rtp_packets_total", "in", "audio") == told.inbound_audio.packets
    assert total(found, "clankvox_rtp_packets_total", "in", "video") == told.inbound_video.packets
    assert total(found, "clankvox_rtp_packets_total", "out", "voice") == told.outbound.rtp_audio_sent == 7
    assert total(found, "clankvox_rtp_packets_total", "out", "stream_publish") == 5 + 11
    assert total(found, "clankvox_frames_lost_total", "lost") == told.inbound_audio.lost
    assert total(found, "clankvox_dave_decrypt_failures_total", "any") == told.inbound_video.dave_decrypt_fail
    heard = total(found, "clankvox_transport_decrypt_failures_total", "audio")
    assert heard == told.inbound_audio.transport_decrypt_fail


def test_what_became_of_our_sound_is_what_the_parent_is_told(telemetry):
    frames = telemetry._frames
    for number, fate in enumerate(FrameFate, 30):
        frames.fates[fate] = number
    frames.speech_underruns, frames.music_underruns = 40, 41
    found, told = samples(telemetry), telemetry.collect().outbound
    made = (told.rtp_audio_sent, told.frames_refused, told.frames_unsealed, told.frames_dropped)
    assert [found["clankvox_audio_frames_made_total", fate] for fate in ("sent", "refused", "unsealed", "dropped")] == [
        *made
    ]
    assert len({*made}) == len(made)
    assert (found["clankvox_underruns_total", "tts"], found["clankvox_underruns_total", "music"]) == (40, 41)


def test_what_pictures_lost_and_what_was_done_about_it_is_what_the_parent_is_told(telemetry):
    found, told = samples(telemetry), telemetry.collect()
    seen, sent = told.inbound_video, told.outbound
    assert found["clankvox_video_frames_made_total", "sent"] == sent.video_frames_sent == 20
    assert found["clankvox_video_frames_made_total", "dropped"] == sent.video_frames_dropped == 21
    lost, repairs = "clankvox_video_packets_lost_total", "clankvox_video_repairs_total"
    assert total(found, lost, "in") == seen.lost > 0
    assert found[lost, "out", "stale", "stream_publish"] == sent.video_packets_stale == 22
    assert found[lost, "out", "refused", "stream_publish"] == sent.video_send_failures == 23
    ours = (seen.nacked, seen.rtx_recovered, seen.plis)
    theirs = (sent.video_nacked, sent.video_retransmitted, sent.video_keyframe_requests)
    assert len({*ours, *theirs}) == 6
    for kind, here, there in zip(("asked", "repeated", "keyframe_asked"), ours, theirs, strict=True):
        assert (total(found, repairs, "in", kind), total(found, repairs, "out", kind)) == (here, there), kind


def test_what_was_heard_and_what_is_counted_as_missing_already_is_no_loss(telemetry):
    causes = {key[1:] for key in samples(telemetry) if key[0] == "clankvox_frames_lost_total"}
    named = {word for labels in causes for word in labels}
    assert not named & {"decoded", "quiet", "recovered", "late", "duplicate"}
    assert {"lost", "concealed", "no_key", "keyframe_wait"} <= named


def test_distributions_are_in_seconds_with_an_open_last_bucket(telemetry):
    found = samples(telemetry)
    assert found["clankvox_send_lateness_seconds_count",] == 1
    assert found["clankvox_send_lateness_seconds_bucket", "0.0002"] == 0
    assert found["clankvox_send_lateness_seconds_bucket", "0.0005"] == 1
    assert found["clankvox_dave_transition_seconds_sum", "voice"] == 0.25
    assert found["clankvox_dave_transition_seconds_bucket", "+Inf", "voice"] == 1


def test_actors_are_named_by_their_kind(telemetry):
    address = connection_address(Role.VOICE)
    telemetry.actor_born(address)
    telemetry.actor_failed(address)
    telemetry.actor_born(address)
    telemetry.actor_born(address)
    found = samples(telemetry)
    assert found["clankvox_mailbox_depth", "router"] == 3
    assert found["clankvox_actor_restarts_total", ActorKind.CONNECTION] == 1
    assert found["clankvox_actor_restarts_total", ActorKind.DAVE] == 0, "who alerts on a rise has to see the first one"


def test_a_lost_connection_has_its_close_code_and_its_end(telemetry):
    found = samples(telemetry)
    assert found["clankvox_reconnects_total", "4015", "new_session", "voice"] == 2
    assert found["clankvox_links_lost_total", "4017", "stream_watch"] == 1


def test_every_name_begins_with_ours_or_is_the_process_standard(telemetry):
    assert {key[0].split("_")[0] for key in samples(telemetry)} <= {"clankvox", "process"}


def test_every_name_and_label_is_in_the_operations_page_and_no_other(telemetry):
    page = Metrics(telemetry).render(OPENMETRICS).body.decode()
    made = {
        (re.sub("_(bucket|sum|count)$", "", sample.name), frozenset(sample.labels) - {"le", "version"})
        for family in parse_openmetrics(page)
        for sample in family.samples
        if sample.name.startswith("clankvox_")
    }
    rows = re.findall(r"^\| (`clankvox_.*?) \|(.*?)\| ", OPERATIONS.read_text(), re.MULTILINE)
    told = {
        (name, frozenset(re.findall(r"`(\w+)`", labels)))
        for names, labels in rows
        for name in re.findall(r"`(clankvox_\w+)`", names)
    }
    assert made == told
