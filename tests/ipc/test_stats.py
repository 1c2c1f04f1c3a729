import json

import msgspec
import pytest

from clankvox.ipc import stats
from clankvox.ipc.message import Part

SECTIONS = [
    part for part in vars(stats).values() if isinstance(part, type) and issubclass(part, Part) and part is not Part
]


@pytest.mark.parametrize("section", SECTIONS)
def test_a_section_holds_plain_numbers_and_says_all_of_them(section):
    fields = msgspec.structs.fields(section)
    assert {field.type for field in fields} <= {int, float}
    assert all(field.required for field in fields)
    shown = json.loads(msgspec.json.encode(section(**{field.name: 0 for field in fields})))
    assert len(shown) == len(fields)
    assert not any("_" in key for key in shown)
