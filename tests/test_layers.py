"""Arrows point down: who may import what, by walking the syntax tree of every module (ARCHITECTURE.md)."""

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "clankvox"
MODULES = sorted(PACKAGE.rglob("*.py"))

GROUND = {"ids", "errors", "clock", "config", "log", "ports", "outbox", "audio_lane", "histogram", "conversion"}
"""Single modules at the bottom; only `ids` and `errors` are for everyone."""

ALLOWED = {
    "ids": set(),
    "errors": set(),
    "clock": set(),
    "conversion": set(),
    "log": set(),
    "config": {"log", "errors"},
    "ledger": {"ids", "errors"},
    "outbox": {"audio_lane"},
    "audio_lane": set(),
    "histogram": set(),
    "ports": {"ids"},
    "wire": {"ids", "errors", "conversion"},
    "ipc": {"ids", "errors", "conversion"},
    "fsm": {"ids", "errors"},
    "protocol": {"ids", "errors", "wire"},
    "media": {"ids", "errors", "wire", "ledger", "clock", "ports"},
    # reports carry the states that the parent is shown a projection of
    "messages": {"ids", "errors", "wire", "media", "ports", "fsm"},
    # of media the worker threads of sources only: they run its readers
    "shells": {"ids", "errors", "wire", "ipc", "clock", "ports", "messages", "outbox", "log", "media", "histogram"},
    "actors": {
        "ids", "errors", "clock", "ports", "outbox", "audio_lane",
        "messages", "fsm", "protocol", "media", "wire", "ipc",
    },
    "outlets": {"ids", "ipc", "media", "outbox"},
    "loopback": {"ids", "errors", "clock", "wire"},
}  # fmt: skip

COMPOSITION = {"app", "log_mirror", "metrics", "publishing", "role_parts", "telemetry", "transition_tally"}
"""Where actors, shells and media are put together."""

SEES_THE_PARENT = {
    "router",
    "announcer",
    "projection",
    "translation",
    "user_video",
    "music_projection",
    "boundary",
    "inspection",
}
"""The router and its helpers are the only modules of actors/ that know the parent's contract."""
SHELLS_SEE_OF_IPC = {"framing", "commands", "events"}

OWNERS = {
    "pykka": {"actors", "app"},
    "statemachine": {"fsm"},
    "time": {"clock"},
    "socket": {"shells", "loopback", "demo", "doctor"},
    "websockets": {"shells", "loopback"},
    "subprocess": {"shells", "demo", "loopback", "doctor"},
    "threading": {"shells", "app", "outbox", "conversion", "demo", "loopback"},
    "davey": {"media", "loopback", "doctor"},
    "dave": {"loopback"},
    "asyncio": {"loopback"},
    "cryptography": {"wire", "loopback", "doctor"},
    "nacl": {"wire"},
    "orjson": {"ipc", "demo", "loopback"},
    "msgspec": {"ipc", "wire", "messages", "actors", "loopback", "demo", "telemetry", "conversion"},
    "h11": {"shells"},
    "prometheus_client": {"metrics"},
    "opuslib": {"media", "loopback", "demo"},
    "simplejpeg": {"media"},
    "av": {"media", "loopback", "demo", "doctor"},
    "numpy": {"media", "actors", "loopback", "demo", "doctor"},
}
"""Third parties and guarded modules of the standard library, and who may import them."""

LOCKS = {
    "actors/inbox.py",
    "media/capture_board.py",
    "media/frame_cipher.py",
    "media/packet_sealer.py",
    "media/stream_audio.py",
    "media/track_buffer.py",
    "media/video_sender.py",
}
"""Modules that import threading for a lock only: each is shared by threads, and says so."""


def layer_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@cache
def imports_of(path: Path) -> set[str]:
    """Dotted names of everything that `path` imports, also inside functions."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_only_what_its_layer_may(path):
    layer = layer_of(path)
    if layer not in ALLOWED:
        return
    for name in imports_of(path):
        parts = name.split(".")
        if parts[0] == "clankvox" and len(parts) > 1 and parts[1] != layer:
            assert parts[1] in ALLOWED[layer] or parts[1:2] == [layer], f"{layer} imports {name}"


@pytest.mark.parametrize("library", sorted(OWNERS))
def test_a_guarded_library_stays_with_its_owners(library):
    for path in MODULES:
        if any(name.split(".")[0] == library for name in imports_of(path)):
            where = str(path.relative_to(PACKAGE))
            owned = layer_of(path) in OWNERS[library] or (library == "threading" and where in LOCKS)
            assert owned, f"{where} imports {library}"


def test_every_layer_is_in_the_table():
    known = {*ALLOWED, *COMPOSITION, "__init__", "__main__", "demo", "doctor"}
    assert {layer_of(path) for path in MODULES} <= known


def test_only_the_router_knows_the_parents_contract():
    for path in (PACKAGE / "actors").glob("*.py"):
        if path.stem not in SEES_THE_PARENT:
            assert not any(name.startswith("clankvox.ipc") for name in imports_of(path)), path.name


def test_shells_know_of_the_contract_how_it_is_framed_and_no_more():
    for path in (PACKAGE / "shells").glob("*.py"):
        for name in imports_of(path):
            if name.startswith("clankvox.ipc."):
                assert name.split(".")[2] in SHELLS_SEE_OF_IPC, f"{path.name} imports {name}"


def test_lock_owners_exist_and_start_no_thread():
    for name in LOCKS:
        assert "Thread(" not in (PACKAGE / name).read_text()


def test_the_walk_sees_imports_inside_functions(tmp_path):
    module = tmp_path / "m.py"
    module.write_text("def f():\n    from clankvox.actors import base\n    import time\n")
    assert {"clankvox.actors.base", "time"} <= imports_of(module)
