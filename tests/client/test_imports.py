"""What an import of the client loads: no server, and no chat before it is asked for."""

from __future__ import annotations

import subprocess
import sys

import pytest

CHAT = {"goim_edu.chat.hub", "goim_edu.chat.vocabulary", "msgspec", "bson"}


def loaded(statement: str) -> set[str]:
    """The modules that are there after a statement in a new interpreter."""
    code = f"import sys\n{statement}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "statement", ["import goim_edu.client", "from goim_edu.client import Backoff, connect"]
)
def test_a_client_that_only_connects_loads_no_chat(statement: str) -> None:
    found = loaded(statement)
    assert "goim_edu.client.connect" in found
    assert found & CHAT == set()


def test_the_chat_client_loads_the_vocabulary_but_no_hub() -> None:
    found = loaded("from goim_edu.client import ChatClient")
    assert {"goim_edu.chat.vocabulary", "msgspec"} <= found
    assert "goim_edu.chat.hub" not in found
    assert "goim_edu.server" not in found
