"""How real speech sounds at 0 to 20 % loss, both ways through the real process, beside plain libopus.

What is heard was sent without FEC, as FFmpeg encodes; what is said has it. Talkspurts are judged by their median: where
a busy machine makes a sender miss a slot right beside a lost packet, the gap is longer than the loss was, which shifts
plain libopus' copy, that knows of losses only, against ours.
"""

import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import numpy as np

from clankvox.demo.offline import OfflineDiscord
from tools.bench import two_ways
from tools.bench.real_speech import sentences
from tools.bench.result import Result

LOSSES: Final = (0.0, 0.05, 0.10, 0.20)
SPURT_S: Final = 7.0
MOS_TOLERANCE: Final = 0.02
OWN_FAULTS: Final = frozenset(
    {
        "uncaptured",
        "unspoken",
        "boundaryDropped",
        "aeadFailed",
        "malformed",
        "unencrypted",
        "noGroup",
        "noKey",
        "unknownSsrc",
        "codecFailed",
        "otherSsrc",
        "discarded",
    }
)
"""What becomes of a packet that no network is to blame for, in a call where nobody comes or goes."""
COLUMNS: Final = ("PESQ", "libopus", "SNR dB", "libopus SNR dB", "missed", "lost")
LONGEST_MISSING_FRAMES: Final = 10
"""Packets lost at the beginning or the end of a talkspurt: nobody can know of them."""

Ways = tuple[two_ways.Heard, two_ways.Heard]


def run(seconds: float) -> Result:
    """Talk for about `seconds` at each loss rate, two of them at once: a busy machine makes senders miss slots."""
    spurt = np.concatenate(sentences(SPURT_S))
    spurts = max(1, round(seconds / (SPURT_S + two_ways.PAUSE_S)))
    with OfflineDiscord() as discord, tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as threads:

        def talk(number: int) -> Ways:
            faults = {"loss": LOSSES[number], "jitterMs": 30, "reorder": 0.02, "duplicate": 0.01, "seed": number}
            ids = two_ways.Ids(*(f"{base + number}" for base in (100, 200, 300, 400)))
            return two_ways.hold(discord, Path(folder), spurt, spurts, faults, ids)

        found = [*threads.map(talk, range(len(LOSSES)))]
    return judge(found, f"PESQ, {spurts * SPURT_S:g} s of speech each way")


def judge(found: list[Ways], title: str) -> Result:
    """Hold each direction against plain libopus and the wire."""
    rows: dict[str, tuple[float | None, ...]] = {}
    checks = {}
    for loss, ways in zip(LOSSES, found, strict=True):
        for name, way in zip(("heard", "said"), ways, strict=True):
            scores = np.array([_scores(utterance) for utterance in way.utterances])
            worse = float(np.median(scores[:, 1] - scores[:, 0]))
            lost = way.ledger["expected"] - way.ledger["arrived"]
            rows[f"{name}, {loss:.0%} loss"] = (
                *map(float, np.median(scores, axis=0)),
                lost,
                way.network.get("lost", 0),
            )
            checks[f"{name}, {loss:.0%} loss: no worse than plain libopus"] = worse <= MOS_TOLERANCE
            checks[f"{name}, {loss:.0%} loss: nothing lost by us, talkspurts as long as they were"] = is_whole(way)
    return Result(title, COLUMNS, rows, checks)


def _scores(utterance: two_ways.Utterance) -> tuple[float, ...]:
    return utterance.mos, utterance.plain_mos, utterance.snr_db, utterance.plain_snr_db


def is_whole(way: two_ways.Heard) -> bool:
    """Whether nothing is missing but what the network lost, and no talkspurt is shorter or longer than it was."""
    fates = way.ledger["fates"]
    balanced = way.ledger["arrived"] + way.ledger["missing"] == sum(fates.values()) + way.ledger["pending"]
    lost_by_us = sum(fates[name] for name in OWN_FAULTS)
    missed = way.ledger["expected"] - way.ledger["arrived"]
    short = [(len(each.clean) - len(each.pcm)) / two_ways.FRAME_SAMPLES for each in way.utterances]
    lasted = -1 <= float(np.median(short)) <= LONGEST_MISSING_FRAMES
    return balanced and not lost_by_us and missed <= way.network.get("lost", 0) and lasted
