"""All cases, in the order in which `make bench` runs them."""

from typing import Final

from tools.bench import bad_network, pacing, response
from tools.bench.result import Case

CASES: Final[dict[str, Case]] = {
    "pacing": pacing.run,
    "response": response.run,
    "bad_network": bad_network.run,
}
