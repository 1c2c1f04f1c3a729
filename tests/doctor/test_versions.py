import tomllib
from importlib import metadata
from pathlib import Path

from clankvox import __version__
from clankvox.doctor import versions as module
from clankvox.doctor.versions import versions

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]


def test_everything_that_decides_how_media_is_processed_is_named():
    found = versions()
    assert found["clankvox"] == __version__
    assert {"python", "system", "openssl"} <= found.keys()
    pinned = dict(entry.split("==") for entry in PROJECT["dependencies"])
    assert {name: found[name] for name in pinned.keys() & found.keys()} == {
        name: metadata.version(name) for name in pinned.keys() & found.keys()
    }
    assert pinned.keys() - found.keys() == {"rich"}


def test_what_is_not_installed_is_absent(monkeypatch):
    monkeypatch.setattr(module, "_LIBRARIES", ("no-such-library",))
    assert versions()["no-such-library"] == "absent"
