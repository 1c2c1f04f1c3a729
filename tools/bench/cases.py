"""All cases, in the order in which `make bench` runs them."""

from typing import Final

from tools.bench import bad_network, golive, pacing, pictures, response, video_pacing
from tools.bench.result import Case

CASES: Final[dict[str, Case]] = {
    "pacing": pacing.run,
    "video_pacing": video_pacing.run,
    "response": response.run,
    "bad_network": bad_network.run,
    "golive": golive.run,
    "pictures": pictures.run,
}
