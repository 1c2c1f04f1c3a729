"""All cases, in the order in which `make bench` runs them."""

from typing import Final

from tools.bench import (
    bad_network,
    capacity,
    capture,
    consumption,
    golive,
    pacing,
    pictures,
    receive_path,
    receivers,
    response,
    senders,
    start,
    video_pacing,
)
from tools.bench.result import Case

CASES: Final[dict[str, Case]] = {
    "pacing": pacing.alone,
    "pacing_speakers": pacing.beside_speakers,
    "pacing_loaded": pacing.loaded,
    "pacing_pictures": pacing.beside_pictures,
    "pacing_music": pacing.of_music,
    "video_pacing": video_pacing.run,
    "response": response.run,
    "capture": capture.run,
    "capacity": capacity.run,
    "receive_path": receive_path.run,
    "consumption": consumption.run,
    "start": start.run,
    "senders": senders.run,
    "receivers": receivers.run,
    "bad_network": bad_network.run,
    "golive": golive.run,
    "pictures": pictures.run,
}

USUAL_SECONDS: Final = 60.0
SECONDS: Final = {
    **{name: 180.0 for name in CASES if name.startswith("pacing")},
    "senders": 180.0,
    "capture": 20.0,
    "capacity": 20.0,
    "receive_path": 40.0,
}
"""How long a measurement of a case usually takes, where it is not a minute."""
