"""docs/diagrams is what the code says, to the byte."""

from clankvox.fsm import MACHINES
from clankvox.messages.common import Message
from tools.diagrams import FOLDER, README, RECEIVERS, readme, rendered, sender_of


def test_diagrams_are_fresh():
    stored = {path.name: path.read_text() for path in FOLDER.iterdir() if path.suffix in (".md", ".mmd")}
    fresh = rendered()
    assert sorted(stored) == sorted(fresh), "run `make diagrams`"
    for name, text in fresh.items():
        assert stored[name] == text, f"docs/diagrams/{name} is stale: run `make diagrams`"


def test_the_readme_shows_the_connection_machine_as_it_is():
    text = README.read_text()
    assert rendered()["connection.mmd"] in text, "run `make diagrams`"
    assert readme(text) == text


def test_every_machine_has_a_diagram_and_a_table():
    assert len(rendered()) == 2 * len(MACHINES) + 1


def test_a_table_names_every_state_and_every_transition():
    for machine in MACHINES:
        name = machine.__name__.removesuffix("Machine").lower()
        table = rendered()[f"{name}.md"]
        rows = [line for line in table.splitlines() if line.startswith("| ")][2:]
        assert len(rows) == sum(len(list(t.events)) for state in machine.states for t in state.transitions)


def test_every_message_says_who_sends_it():
    for union in RECEIVERS.values():
        for message in union.__args__:
            assert issubclass(message, Message)
            if message.__name__ not in ("ResetBaton", "ActorFailed", "Envelope"):
                assert sender_of(message)
