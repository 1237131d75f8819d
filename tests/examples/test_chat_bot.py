"""The bot, and the same by hand: each question is answered once, over restarts and lost links."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import Process
from pathlib import Path

import pytest

from goim_edu.store import MemoryBackend, MessageStore
from tests.chatting import run, running_server, until
from tests.examples.counting import EXAMPLES, PEERS

NAME = "chat_bot.py"


def say(store: MessageStore, count: int) -> None:
    """Eve says so many things, and then asks how many those were."""
    begin = store.last_seq("lobby")
    for number in range(begin, begin + count):
        store.submit("lobby", "eve", str(number), client_msg_id=f"e{number}")
    store.submit("lobby", "eve", "!count", client_msg_id=f"ask {begin}")
    store.flush()


def answers(store: MessageStore) -> list[str]:
    return [one.text for one in store.history("lobby", limit=10_000) if one.user_id == "bot"]


@pytest.mark.parametrize("folder", [EXAMPLES, PEERS], ids=["ours", "peer"])
def test_each_question_is_answered_once(folder: Path, tmp_path: Path) -> None:
    state = tmp_path / "state.json"

    async def start(uri: str) -> Process:
        arguments = [str(folder / NAME), uri, "lobby", str(state)]
        return await asyncio.create_subprocess_exec(sys.executable, *arguments)

    async def stop(bot: Process) -> None:
        bot.kill()
        await bot.wait()

    def is_done(count: int) -> bool:
        """Whether so many questions are answered, and the bot has kept that it knows."""
        known = json.loads(state.read_text() or "{}") if state.exists() else {}
        at_end = known.get("lobby") == store.last_seq("lobby")
        return at_end and len(answers(store)) >= count

    async def test() -> None:
        say(store, 1205)  # more than the server tells by itself
        async with running_server(store) as server:
            uri = f"{server.url}"
            bot = await start(uri)
            try:
                await until(lambda: is_done(1), within=30)
                for session in tuple(server.hub.sessions):
                    session.connection.abort()  # type: ignore[attr-defined]
                say(store, 3)
                await until(lambda: is_done(2), within=30)
                await stop(bot)
                say(store, 1100)
                state.write_text(json.dumps({"lobby": 1200}))  # as if it had ended long ago
                bot = await start(uri)
                await until(lambda: is_done(3), within=30)
            finally:
                if bot.returncode is None:
                    await stop(bot)
        counts = [1205, 1209, 2310]
        assert answers(store) == [f"eve has said {count} things" for count in counts]

    store = MessageStore(MemoryBackend())
    run(test())
    store.close()
