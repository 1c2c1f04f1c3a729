"""All cases, in the order in which `make bench` runs them: what people ask for first comes first."""

from typing import Final

from tools.bench import (
    bad_network,
    capacity,
    capture,
    consumption,
    endings,
    golive,
    pacing,
    pictures,
    receive_path,
    receivers,
    response,
    senders,
    stalled_parent,
    start,
)
from tools.bench.plan import Cost
from tools.bench.result import Case

CASES: Final[dict[str, Case]] = {
    "pacing": pacing.alone,
    "pacing_loaded": pacing.loaded,
    "senders": senders.run,
    "response": response.run,
    "capture": capture.run,
    "receivers": receivers.run,
    "start": start.run,
    "endings": endings.run,
    "capacity": capacity.run,
    "bad_network": bad_network.run,
    "consumption": consumption.run,
    "golive": golive.run,
    "pictures": pictures.run,
    "pacing_speakers": pacing.beside_speakers,
    "pacing_pictures": pacing.beside_pictures,
    "pacing_music": pacing.of_music,
    "receive_path": receive_path.run,
    "stalled_parent": stalled_parent.run,
}

_MEASURED: Final = {
    "pacing": Cost(180, least_s=20, around_s=8),
    "pacing_speakers": Cost(180, least_s=15, around_s=25),
    "pacing_loaded": Cost(180, least_s=20, around_s=45),
    "pacing_pictures": Cost(180, least_s=10, around_s=15),
    "pacing_music": Cost(180, least_s=10, around_s=15),
    "response": Cost(60, least_s=14, around_s=8),
    "capture": Cost(20, least_s=6, times=5, around_s=90),
    "capacity": Cost(20, least_s=6, times=4, around_s=200, most_runs=1),
    "receive_path": Cost(40, least_s=10, times=0.6, around_s=12),
    "consumption": Cost(60, least_s=12, around_s=25),
    "start": Cost(60, least_s=12, around_s=40),
    "senders": Cost(180, least_s=20, around_s=15),
    "receivers": Cost(60, least_s=10, around_s=18),
    "bad_network": Cost(60, least_s=24, around_s=50, most_runs=1),
    "golive": Cost(60, least_s=15, around_s=18),
    "pictures": Cost(60, least_s=12, around_s=25),
    "endings": Cost(60, least_s=24, around_s=10, most_runs=1),
    "stalled_parent": Cost(60, least_s=20, around_s=20, most_runs=1),
}
COSTS: Final = {name: _MEASURED.get(name, Cost()) for name in CASES}
"""What a run of each takes, on the machine of README when nothing else runs there."""
