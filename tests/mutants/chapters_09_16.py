"""What chapters 09 to 16 claim, and each claim without its mechanism."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from itertools import count
from typing import Any, Final

import pytest

from goim_edu.chat.room import Room
from goim_edu.chat.session import Session
from goim_edu.chat.vocabulary import Ack
from goim_edu.lab import learner_server, sharding
from goim_edu.storage import documents
from goim_edu.storage.documents import Saved, StoredMessage
from goim_edu.storage.message_store import MessageStore
from tests.mutants import Mutant

__all__ = ["MUTANTS"]


def _acknowledge_at_once(patch: pytest.MonkeyPatch, names: dict[str, Any]) -> None:
    """The answer does not wait for the store."""
    submit = MessageStore.submit_async

    def submit_async(
        self: MessageStore, room_id: str, user_id: str, text: str, *, client_msg_id: str
    ) -> asyncio.Future[Saved]:
        submit(self, room_id, user_id, text, client_msg_id=client_msg_id)
        future: asyncio.Future[Saved] = asyncio.get_running_loop().create_future()
        now = documents.utc_now()
        message = StoredMessage(room_id, 1, user_id, client_msg_id, text, now)
        future.set_result(Saved(message, False))
        return future

    patch.setattr(MessageStore, "submit_async", submit_async)


def _open_the_gate(names: dict[str, Any]) -> None:
    names["gated"].open()


def _say_the_second_first(patch: pytest.MonkeyPatch, names: dict[str, Any]) -> None:
    """Of two messages the later one is handed on first."""
    publish = Room._publish
    held: list[StoredMessage] = []

    def in_pairs(self: Room, stored: StoredMessage) -> None:
        held.append(stored)
        if len(held) == 2:
            publish(self, held.pop())
            publish(self, held.pop())

    patch.setattr(Room, "_publish", in_pairs)


def _name_each_copy(patch: pytest.MonkeyPatch, names: dict[str, Any]) -> None:
    """A message that is sent again has another ``_id``."""
    copies = count(1)

    def message_key(user_id: str, client_msg_id: str) -> str:
        return documents.message_key(user_id, f"{client_msg_id}, copy {next(copies)}")

    patch.setattr("goim_edu.storage.group_commit.message_key", message_key)


def _keep_microseconds(patch: pytest.MonkeyPatch, names: dict[str, Any]) -> None:
    now = datetime(2026, 11, 23, 13, 56, 0, 249_999, tzinfo=UTC)
    patch.setattr(documents, "utc_now", lambda: now)


def _do_not_validate(patch: pytest.MonkeyPatch, names: dict[str, Any]) -> None:
    _set_validation(names, "off")


def _validate_again(names: dict[str, Any]) -> None:
    _set_validation(names, "strict")


def _set_validation(names: dict[str, Any], level: str) -> None:
    messages = names["messages"]
    messages.delete_one({"_id": "odd"})
    messages.database.command("collMod", messages.name, validationLevel=level)


def _drop_the_index(patch: pytest.MonkeyPatch, names: dict[str, Any]) -> None:
    names["messages"].drop_index("room_created_desc")


def _let_numbers_repeat(patch: pytest.MonkeyPatch, names: dict[str, Any]) -> None:
    names["client"]["lesson"]["messages"].drop_index("room_seq")


def _half_is_enough(patch: pytest.MonkeyPatch, names: dict[str, Any]) -> None:
    """Two of four may elect."""
    patch.setattr("goim_edu.exercises.chapter_13.majority", lambda voters: (voters + 1) // 2)


def _ask_one_member(patch: pytest.MonkeyPatch, names: dict[str, Any]) -> None:
    """Write concern 1 where majority was asked for."""
    patch.setitem(names, "most", names["alone"])


def _do_not_hash(patch: pytest.MonkeyPatch, names: dict[str, Any]) -> None:
    patch.setattr(sharding, "hash_number", int)


def _do_not_balance(patch: pytest.MonkeyPatch, names: dict[str, Any]) -> None:
    patch.setattr(sharding.ShardedModel, "_to_move", lambda self: None)


def _acknowledge_last(patch: pytest.MonkeyPatch, names: dict[str, Any]) -> None:
    """The message is handed on, and then acknowledged."""
    reply = Session.reply

    def reply_late(self: Session, message: Any) -> None:
        if isinstance(message, Ack):
            at_end = self._hub.engine.at_end_of_turn
            at_end(lambda: at_end(lambda: reply(self, message)))
        else:
            reply(self, message)

    patch.setattr(Session, "reply", reply_late)


def _believe_the_learner(patch: pytest.MonkeyPatch, names: dict[str, Any]) -> None:
    """What a learner's function gives back is used, right or wrong."""
    patch.setattr(learner_server, "_fault", lambda want, got: "")


def _do_not_check_text(patch: pytest.MonkeyPatch, names: dict[str, Any]) -> None:
    patch.setattr(names["Messages"], "is_text", lambda self, frame: True)


_CHAT: Final = (
    'live = LiveServer("memory")',
    "ada = await connect",
    "async def tell",
    "async def come",
)

MUTANTS: Final = [
    Mutant(
        "09",
        "nobody hears of a message before it is stored",
        before=(
            *_CHAT,
            "gated = GatedServer()",
            'lisa, tom = await come("lisa"',
            "async def hears_nothing",
        ),
        switch=_acknowledge_at_once,
        after=("gated.shut()",),
        says="(True, True)",
        tidy=_open_the_gate,
    ),
    Mutant(
        "09",
        "all members see the messages of a room in one order",
        before=_CHAT,
        switch=_say_the_second_first,
        after=("from secrets import token_hex", 'print([message["seq"] for message in views[0]])'),
    ),
    Mutant(
        "09b",
        "what was said twice is stored once",
        before=(
            'live = LiveServer("memory")',
            "async def tell",
            "async def come",
            "async def hears_nothing",
            "async def say",
        ),
        switch=_name_each_copy,
        after=(
            'tunnel = f"tunnel',
            'lisa = await come("lisa", tunnel)',
            'await hear(lisa, "ack")',
            "out_again = await hear",
            "[(message.seq, message.text) for message in live.store.history(tunnel)]",
        ),
        says="[(1, 'in the tunnel'), (2, 'out again')]",
    ),
    Mutant(
        "10",
        "our times come back as they were",
        before=("from goim_edu.lab import LiveServer", "import bson"),
        switch=_keep_microseconds,
        after=("from goim_edu.storage.documents import utc_now",),
    ),
    Mutant(
        "10",
        "the collection refuses what is no message",
        before=(
            "from goim_edu.lab import LiveServer",
            "import asyncio",
            'messages = live.store.database["messages"]',
        ),
        switch=_do_not_validate,
        after=('odd = {"_id": "odd"',),
        says="Document failed validation",
        mongod=True,
        tidy=_validate_again,
    ),
    Mutant(
        "11",
        "an index leads to the twenty documents",
        before=(
            "from goim_edu.mongod import LocalMongod",
            "start = datetime",
            "from goim_edu import draw",
            'messages.create_index([("room_id", 1), ("created_at", -1)]',
        ),
        switch=_drop_the_index,
        after=("def look(cursor)",),
        says="(['room_created_desc'], 20, 20)",
        mongod=True,
    ),
    Mutant(
        "12",
        "a number is given once, also by two servers",
        before=(
            "mongod = LocalMongod",
            "log = CommandLog()",
            "futures = [store.submit(room",
            'question = log.last("insert")',
            "rival = MessageStore",
        ),
        switch=_let_numbers_repeat,
        after=(
            'store.submit("a", "max", "hi", client_msg_id=new_id()).result(20).seq',
            "rival.close()",
        ),
        says="(3, 'max'), (4, 'lin'), (5, 'max')]",
        mongod=True,
    ),
    Mutant(
        "13",
        "half of the voters elect nobody",
        before=(),
        switch=_half_is_enough,
        after=("from goim_edu.exercises.chapter_13 import majority as",),
        says="(2, 2, 0), (3, 2, 1), (4, 3, 1)",
    ),
    Mutant(
        "13",
        "majority does not promise what one member has",
        before=(
            "rs = LocalReplicaSet",
            "import asyncio",
            "from time import monotonic",
            "oplog = MongoClient",
            "from goim_edu.lab import said",
            "promises = client",
            "alone = promises",
        ),
        switch=_ask_one_member,
        after=("old = rs.wait_for_primary()",),
        says="(20, 'WTimeoutError: waiting for replication timed out')",
        mongod=True,
    ),
    Mutant(
        "14",
        "hashed times are written to all shards",
        before=("from goim_edu.lab.sharding import ShardedModel",),
        switch=_do_not_hash,
        after=("hashed = ShardedModel", "fresh = hashed.insert_many"),
    ),
    Mutant(
        "14",
        "the balancer spreads what is there",
        before=("from goim_edu.lab.sharding import ShardedModel",),
        switch=_do_not_balance,
        after=('times = ShardedModel("created_at"', "times.documents"),
        says="{'A': 300, 'B': 300, 'C': 300}",
    ),
    Mutant(
        "15",
        "the ack comes first, then the message",
        before=("from goim_edu.lab import LiveServer",),
        switch=_acknowledge_last,
        after=(
            "from goim_edu.client import ChatClient",
            "sent = live.capture.find",
            "ada_side = live.capture.frames",
        ),
        says="[('client', 'send'), ('server', 'ack'), ('server', 'message')]",
    ),
    Mutant(
        "16",
        "a mistake of the learner's does not stop the server",
        before=(
            "def my_accept",
            "mine = serve_with(generate_accept",
            "async with connect(mine.echo_url",
            "def my_apply_mask",
            "def my_parse_frame",
        ),
        switch=_believe_the_learner,
        after=(
            "    generate_accept=my_accept, parse_frame=my_parse_frame",
            "async def echo_of",
            'len(await echo_of("x" * 200',
        ),
        says="200",
    ),
    Mutant(
        "16",
        "the cases find a server that does not check its text",
        before=(
            "def my_accept",
            "mine = serve_with(generate_accept",
            "from goim_edu.lab import take_cases",
            "from goim_edu.exercises.catalogue import find",
            "from goim_edu.protocol import Frame, Opcode",
            "def answer_101",
            "async def connection",
            "class Talk",
            "async def score",
            "class Closing",
            "class Careful",
            "class Messages",
        ),
        switch=_do_not_check_text,
        after=("await score(Messages)",),
        says="218 of 218 cases passed",
    ),
]
