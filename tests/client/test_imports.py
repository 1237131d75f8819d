"""What an import of the client loads: no server, and no chat before it is asked for."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

CHAT = {"goim_edu.chat.hub", "goim_edu.chat.vocabulary", "msgspec", "bson"}
FACES = ["goim_edu.client", "goim_edu.client.sync"]


def loaded(statement: str) -> set[str]:
    """The modules that are there after a statement in a new interpreter."""
    code = f"import sys\n{statement}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "statement",
    [
        "import goim_edu.client",
        "from goim_edu.client import Backoff, ConnectionClosed, HandshakeError, WebSocket, connect",
        "import goim_edu.client.sync",
        "from goim_edu.client.sync import WebSocket, connect, reconnect",
    ],
)
def test_a_client_that_only_connects_loads_no_chat(statement: str) -> None:
    found = loaded(statement)
    assert "goim_edu.client.connect" in found
    assert found & CHAT == set()


@pytest.mark.parametrize("face", FACES)
def test_the_chat_client_loads_the_vocabulary_but_no_hub(face: str) -> None:
    found = loaded(f"from {face} import ChatClient")
    assert {"goim_edu.chat.vocabulary", "msgspec"} <= found
    assert "goim_edu.chat.hub" not in found
    assert "goim_edu.server" not in found


@pytest.mark.parametrize("face", FACES)
def test_a_face_has_what_a_program_needs(face: str) -> None:
    module = importlib.import_module(face)
    needed = {"ChatClient", "ChatRefused", "ConnectionClosed", "HandshakeError", "WebSocket"}
    heard = {"Ack", "ChatMessage", "Presence", "TypingBy", "ReadBy", "ChatState", "ChatEvent"}
    assert needed | heard <= {*module.__all__}
    assert {*module.__all__} <= {*dir(module)}, "completion offers all of them"
    for name in module.__all__:
        assert getattr(module, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'NoSuchThing'"):
        _ = module.NoSuchThing
