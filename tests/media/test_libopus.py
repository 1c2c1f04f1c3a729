import ctypes.util
import subprocess
import sys

from clankvox.media import libopus


def test_the_wheel_of_pyav_carries_a_libopus():
    path = libopus.bundled_libopus()
    assert path is not None
    assert "opus" in path


def test_the_libopus_of_the_wheel_comes_first_and_nothing_is_searched_for():
    code = (
        "import ctypes.util\n"
        "def search(name): raise AssertionError(name)\n"
        "ctypes.util.find_library = search\n"
        "import clankvox.media.libopus as m; assert m.version()"
    )
    subprocess.run([sys.executable, "-c", code], timeout=60, check=True)


def test_a_version_is_known():
    assert libopus.version().startswith("libopus ")


def test_find_library_is_left_as_it_was():
    assert ctypes.util.find_library.__module__ == "ctypes.util"


def test_opuslib_imports_without_a_system_library_and_without_a_warning():
    code = (
        "import ctypes.util; ctypes.util.find_library = lambda name: None\n"
        "import clankvox.media.libopus as m, opuslib\n"
        "assert m.version() and opuslib.Decoder(48000, 1)"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
