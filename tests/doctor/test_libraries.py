"""What is missing, does not load, or has another version is named with the command that puts it right."""

import importlib
from importlib import metadata

import pytest

from clankvox.doctor import libraries as module
from clankvox.doctor.finding import Doubtful, Skipped, Wrong
from clankvox.doctor.libraries import Pin, install, libraries, pins

HERE = [Pin("numpy", metadata.version("numpy")), Pin("pynacl", metadata.version("pynacl"))]


@pytest.fixture
def wanted(monkeypatch):
    """Say what is required."""
    return lambda *found: monkeypatch.setattr(module, "pins", lambda: list(found))


def test_what_is_required_is_what_the_package_says_without_its_extras(monkeypatch):
    monkeypatch.setattr(
        metadata, "requires", lambda _name: ["av==1.2", "pykka==3", 'ruff==1 ; extra == "dev"', 'yt-dlp; extra == "x"']
    )
    assert pins() == [Pin("av", "1.2"), Pin("pykka", "3")]


def test_an_installation_is_whole(wanted):
    wanted(*HERE)
    assert libraries() == "2 of them, each of the version that this one was tested with"


def test_what_is_installed_here_is_what_is_required():
    assert "each of the version" in libraries()


def test_a_library_that_is_missing_is_named_with_the_command(wanted):
    wanted(*HERE, Pin("no-such-library", "1.0"))
    with pytest.raises(Wrong, match=r"^no-such-library is not installed$") as wrong:
        libraries()
    assert wrong.value.advice == "pip install --force-reinstall 'no-such-library==1.0'"


def test_an_opus_that_does_not_load_may_be_the_fault_of_the_wheel_that_carries_it(wanted, monkeypatch):
    def fails(name):
        if "opus" in name:
            raise ImportError

    wanted(Pin("opuslib", metadata.version("opuslib")), HERE[0], Pin("av", metadata.version("av")))
    monkeypatch.setattr(importlib, "import_module", fails)
    with pytest.raises(Wrong, match=r"^opuslib does not load") as wrong:
        libraries()
    assert wrong.value.advice == install(Pin("opuslib", metadata.version("opuslib")), Pin("av", metadata.version("av")))


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ModuleNotFoundError(name="numpy"), "numpy is not installed"),
        (ModuleNotFoundError(name="libfoo"), "numpy lacks libfoo"),
        (
            ImportError("/srv/me/lib/libx.so.6: version `GLIBC_2.99' not found (required by /srv/me/x.so)\nmore"),
            r"numpy does not load \(ImportError: libx\.so\.6: version `GLIBC_2\.99' not found \(required by x\.so\)\)",
        ),
        (ImportError("libopus.so.0: cannot open"), r"numpy does not load \(ImportError: libopus\.so\.0: cannot open\)"),
        (SystemError(), r"numpy does not load \(SystemError\)"),
    ],
)
def test_a_library_that_does_not_load_is_named(wanted, monkeypatch, error, said):
    def fails(_name):
        raise error

    wanted(HERE[0])
    monkeypatch.setattr(importlib, "import_module", fails)
    with pytest.raises(Wrong, match=f"^{said}$"):
        libraries()


def test_another_version_is_a_warning(wanted):
    wanted(HERE[1], Pin("numpy", "0.1"))
    with pytest.raises(Doubtful, match=r"^numpy \S+ instead of 0\.1: not what this version was tested with$") as doubt:
        libraries()
    assert doubt.value.advice == "pip install --force-reinstall 'numpy==0.1'"


def test_a_clankvox_that_was_not_installed_asks_for_nothing(monkeypatch):
    def absent(_name):
        raise metadata.PackageNotFoundError

    monkeypatch.setattr(metadata, "requires", absent)
    with pytest.raises(Skipped):
        libraries()
