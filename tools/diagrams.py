"""Writes docs/diagrams and the diagram in README: a Mermaid diagram and a table a machine, and who tells what to whom.

Everything is read from the code: machines from clankvox.fsm.MACHINES, messages from the unions of
clankvox.messages. Each message's docstring begins with its senders, "Router: ..." or "Capture or connection: ...".
"""

import itertools
import re
import sys
from pathlib import Path
from typing import Final, get_args

from clankvox.fsm import MACHINES
from clankvox.messages.capture import CaptureMessage
from clankvox.messages.common import Message
from clankvox.messages.connection import ConnectionMessage
from clankvox.messages.dave import DaveMessage
from clankvox.messages.music import MusicMessage
from clankvox.messages.playback import PlaybackMessage
from clankvox.messages.publish import PublishMessage
from clankvox.messages.router import RouterMessage
from clankvox.messages.video import VideoMessage

ROOT: Final = Path(__file__).parent.parent
FOLDER: Final = ROOT / "docs" / "diagrams"
README: Final = ROOT / "README.md"
_SHOWN: Final = re.compile(r"```mermaid\nstateDiagram-v2\n.*?```\n", re.DOTALL)
RECEIVERS: Final = {
    "router": RouterMessage,
    "connection": ConnectionMessage,
    "dave": DaveMessage,
    "playback": PlaybackMessage,
    "music": MusicMessage,
    "capture": CaptureMessage,
    "video": VideoMessage,
    "publish": PublishMessage,
}
_ALIASES: Final = {
    "dave actor": "dave",
    "receive path": "receive_path",
    "pacer thread, told directly": "pacer",
    "stdin shell": "stdin",
    "signal shell": "signals",
    "websocket shell": "websocket",
    "udp shell": "udp",
    "own timer": "self",
    "own timer while nothing is sent": "self",
    "own timer while no sound leaves": "self",
    "publish worker": "publish_worker",
    "stdin shell (end of input), signal shell, or a broken stdout": "signals",
    "any actor": "any_actor",
    "any actor of a role": "any_actor",
    "any actor to the router": "any_actor",
    "an actor to the router, from its failure hook": "any_actor",
    "capture or connection": "capture",
    "connection or music": "music",
}
_SHELLS: Final = ("stdin", "signals", "websocket", "udp", "pacer", "receive_path", "source", "publish_worker")
NAME: Final = re.compile(r"(?<!^)(?=[A-Z])")


def rendered() -> dict[str, str]:
    """Return every file of docs/diagrams by its name."""
    files = {"topology.mmd": topology()}
    for machine in MACHINES:
        name = NAME.sub("_", machine.__name__.removesuffix("Machine")).lower()
        files[f"{name}.mmd"] = format(machine, "mermaid").rstrip() + "\n"
        summary = (machine.__doc__ or "").strip()
        files[f"{name}.md"] = f"# {machine.__name__}\n\n{summary}\n\n{format(machine, 'md').rstrip()}\n"
    return files


def topology() -> str:
    """Return who tells what to whom, as a Mermaid flow chart; the reset baton is a dotted ring."""
    lines = ["flowchart LR", "    subgraph shells"]
    lines += [f"        {shell}([{shell.replace('_', ' ')}])" for shell in _SHELLS]
    lines += ["    end", "    subgraph actors"]
    lines += [f"        {receiver}[{receiver}]" for receiver in RECEIVERS]
    lines += ["    end"]
    for receiver, union in RECEIVERS.items():
        told: dict[str, list[str]] = {}
        for message in get_args(union):
            if message.__name__ != "ResetBaton":
                told.setdefault(sender_of(message), []).append(message.__name__)
        for sender, names in sorted(told.items()):
            if sender not in ("self", "any_actor"):
                lines.append(f'    {sender} -->|"{"<br>".join(sorted(names))}"| {receiver}')
    ring = ("connection", "router", "playback", "music", "dave", "video", "capture", "connection")
    lines += [f"    {one} -.->|ResetBaton| {other}" for one, other in itertools.pairwise(ring)]
    return "\n".join(lines) + "\n"


def readme(text: str) -> str:
    """Return the README's `text` with the diagram of the connection machine as it is now."""
    shown = f"```mermaid\n{rendered()['connection.mmd']}```\n"
    return _SHOWN.sub(lambda _: shown, text, count=1)


def sender_of(message: type[Message]) -> str:
    """Read who tells `message` from the beginning of its docstring."""
    sender, colon, _ = (message.__doc__ or "").partition(":")
    name = sender.strip().lower()
    known = _ALIASES.get(name, name)
    if not colon or known not in (*RECEIVERS, *_SHELLS, "self", "any_actor"):
        raise ValueError(f"the docstring of {message.__name__} does not begin with its sender")
    return known


def main() -> int:
    """Write all files, and remove those of machines that are gone."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    files = rendered()
    for path in FOLDER.iterdir():
        if path.name not in files and path.suffix in (".md", ".mmd"):
            path.unlink()
    for name, text in files.items():
        (FOLDER / name).write_text(text)
    README.write_text(readme(README.read_text()))
    print(f"{len(files)} files in docs/diagrams")
    return 0


if __name__ == "__main__":
    sys.exit(main())
