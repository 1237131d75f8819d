"""No program is longer than the same one with another library."""

from __future__ import annotations

import pytest

from tests.examples.counting import EXAMPLES, PEERS, code_lines

# Each peer by the program that it is the peer of; a program may have several.
PAIRS = {
    peer.name: next(
        name
        for name in (peer.name, f"{peer.stem.rpartition('_')[0]}.py")
        if (EXAMPLES / name).exists()
    )
    for peer in sorted(PEERS.glob("[a-z]*.py"))
}


def test_the_ten_programs_have_a_peer() -> None:
    assert set(PAIRS.values()) >= {
        "chat_bot.py",
        "dissect_pcap.py",
        "echo_fixture.py",
        "own_echo_server.py",
        "own_server_with_subprotocol.py",
        "reconnecting_client.py",
        "store_once.py",
        "sync_client.py",
        "threads_server.py",
        "trio_server.py",
    }


@pytest.mark.parametrize("peer", PAIRS)
def test_it_is_no_longer_than_its_peer(peer: str) -> None:
    assert code_lines(EXAMPLES / PAIRS[peer]) <= code_lines(PEERS / peer)
