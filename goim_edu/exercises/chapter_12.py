"""Exercises of chapter 12: storing messages (pymongo; MongoDB manual)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, Final

from pymongo.errors import DuplicateKeyError

from goim_edu.exercises.model import Function, Measure, Predict, code

__all__ = ["Collection"]


class Collection:
    """A collection in memory that counts the trips to it; it knows three methods of pymongo's.

    Attributes:
        trips: how often it was asked something.

    >>> collection = Collection()
    >>> collection.insert_one({"_id": 1}), collection.trips
    (None, 1)
    """

    def __init__(self) -> None:
        self.documents: dict[Any, dict[str, Any]] = {}
        self.trips = 0

    def insert_one(self, document: dict[str, Any]) -> None:
        """Insert a document.

        Raises:
            DuplicateKeyError: its ``_id`` is there already (error 11000).
        """
        self.trips += 1
        self._insert(document)

    def insert_many(self, documents: list[dict[str, Any]]) -> None:
        """Insert several documents in one trip."""
        self.trips += 1
        for document in documents:
            self._insert(document)

    def find_one(self, query: dict[str, Any]) -> dict[str, Any] | None:
        """The document with the ``_id`` of the query, or None."""
        self.trips += 1
        return self.documents.get(query["_id"])

    def _insert(self, document: dict[str, Any]) -> None:
        if document["_id"] in self.documents:
            raise DuplicateKeyError("E11000 duplicate key", 11000)
        self.documents[document["_id"]] = dict(document)


# ---------------------------------------------------------------------- 12.1

_URI = Predict(
    id="12.1",
    right="b",
    experiment="""
        from pymongo import MongoClient

        outcome = "nothing, it works"
        try:
            MongoClient("mongo://localhost:27017")
        except Exception as error:
            outcome = type(error).__name__
        outcome
    """,
)

# ---------------------------------------------------------------------- 12.2


def once(connect: Callable[[], Any]) -> Callable[[], Any]:
    """A function that connects at the first call, once, and again only after a failure."""
    lock = threading.Lock()
    connected: list[Any] = []

    def get() -> Any:
        with lock:
            if not connected:
                connected.append(connect())
            return connected[0]

    return get


def _connection(tries: list[str], outcomes: list[str], callers: int) -> Callable[[], str]:
    """A function that connects, which notes each try and fails where ``outcomes`` say so."""

    def connect() -> str:
        tries.append("connect")
        number = len(tries)
        # Many short waits, not one long: on a busy machine they grow as the others' turns do.
        for _ in range(100 if callers > 1 else 0):
            if len(tries) == callers:
                break
            time.sleep(0.001)
        if number <= len(outcomes) and outcomes[number - 1] == "fails":
            raise ConnectionError("no server")
        return "database"

    return connect


def _use(function: Callable[..., Any], outcomes: list[str], callers: int) -> tuple[Any, str]:
    """Call ``get`` several times, or from several threads, and count the connections."""
    tries: list[str] = []
    together = threading.Barrier(callers)
    get = function(_connection(tries, outcomes, callers))
    results: list[str] = []

    def ask() -> None:
        together.wait()
        try:
            results.append(str(get()))
        except ConnectionError:
            results.append("ConnectionError")

    if callers > 1:
        threads = [threading.Thread(target=ask, daemon=True) for _ in range(callers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(5)
    else:
        for _ in range(len(outcomes) + 1):
            ask()
    successes = len(tries) - outcomes.count("fails")
    often = ("never connected", "connected once")[successes] if successes in (0, 1) else ""
    return results, often or "connected several times"


_ONCE = Function(
    id="12.2",
    kind="mend",
    needs="import threading",
    starter="""
        def once(connect):
            database = None

            def get():
                nonlocal database
                if database is None:
                    database = connect()
                return database

            return get
    """,
    reference=once,
    drive=_use,
    usage="get = once(connect)  # connect: {0}, threads: {1}",
    parts=("results", "how often"),
    cases=((["works"], 1), (["fails", "works"], 1), ([], 4)),
    wrong=(
        ("with lock:", "if True:"),
        ("return get", "return connect"),
        (
            "connected.append(connect())",
            "connected.append(None)\n                connected[0] = connect()",
        ),
        (
            "with lock:\n            if not connected:",
            "if not connected:\n            with lock:",
            "            return connected",
            "        return connected",
        ),
    ),
)

# ---------------------------------------------------------------------- 12.3


def groups(arrivals: list[int], most: int, wait: int) -> list[list[int]]:
    """Cut messages into groups: at most ``most``, and none older than ``wait`` when it goes."""
    found: list[list[int]] = []
    for at in arrivals:
        if found and len(found[-1]) < most and at - found[-1][0] < wait:
            found[-1].append(at)
        else:
            found.append([at])
    return found


_GROUPS = Function(
    id="12.3",
    starter="""
        def groups(arrivals, most, wait):
            return [[at] for at in arrivals]
    """,
    reference=groups,
    cases=(
        ([0], 10, 5),
        ([0, 1, 2], 10, 5),
        ([0, 1, 2, 3], 2, 5),
        ([0, 5], 10, 5),
        ([0, 3, 6, 9], 10, 5),
        ([], 10, 5),
    ),
    make=lambda c: (c.times(9, (0, 1, 3, 8)), c.integer(1, 4), c.integer(1, 10)),
    wrong=(
        ("found[-1][0]", "found[-1][-1]"),
        ("len(found[-1]) < most", "len(found[-1]) <= most"),
        ("at - found[-1][0] < wait", "at - found[-1][0] <= wait"),
        ("len(found[-1]) < most and ", ""),
    ),
)

# ---------------------------------------------------------------------- 12.4


def save(collection: Collection, document: dict[str, Any]) -> tuple[int, bool]:
    """Store a message once: its number, and whether it was there before."""
    try:
        collection.insert_one(document)
    except DuplicateKeyError:
        stored = collection.find_one({"_id": document["_id"]})
        return (stored or document)["seq"], True
    return document["seq"], False


def _save_all(function: Callable[..., Any], documents: list[dict[str, Any]]) -> tuple[Any, int]:
    """Save them one by one in an empty collection; the answers, and how many are stored."""
    collection = Collection()
    answers = [function(collection, document) for document in documents]
    return answers, len(collection.documents)


def _message(key: str, seq: int) -> dict[str, Any]:
    return {"_id": key, "seq": seq}


_SAVE = Function(
    id="12.4",
    kind="mend",
    needs="from pymongo.errors import DuplicateKeyError",
    starter="""
        def save(collection, document):
            collection.insert_one(document)
            return document["seq"], False
    """,
    reference=save,
    drive=_save_all,
    usage="documents = {0}",
    parts=("answers", "stored"),
    cases=(
        ([_message("4:lisa:m1", 1)],),
        ([_message("4:lisa:m1", 1), _message("4:lisa:m1", 2)],),
        ([_message("4:lisa:m1", 1), _message("3:max:m1", 2)],),
    ),
    make=lambda c: (
        [
            _message(c.pick(("4:lisa:m1", "4:lisa:m2", "3:max:m1")), seq)
            for seq in range(1, c.integer(0, 6) + 1)
        ],
    ),
    wrong=(
        ("(stored or document)", "document"),
        ("except DuplicateKeyError:", "except ValueError:"),
        ('["seq"], True', '["seq"], False'),
        (
            "return (stored or document)",
            (
                'collection.insert_one({**document, "_id": document["_id"] + "again"})\n'
                "        return stored"
            ),
        ),
    ),
)

# ---------------------------------------------------------------------- 12.5


def shut_down(server: Any, store: Any, client: Any, leave: Callable[[int], None]) -> None:
    """Stop in the order in which nothing is lost, and end the process."""
    server.stop_accepting()
    server.close_all(1001)
    server.drain_queues()
    store.flush()
    client.close()
    leave(0)


class _Recorder:
    """Writes down what is called on it."""

    def __init__(self, name: str, log: list[str]) -> None:
        self._name = name
        self._log = log

    def __getattr__(self, method: str) -> Callable[..., None]:
        def called(*args: Any) -> None:
            shown = ", ".join(map(str, args))
            self._log.append(f"{self._name}.{method}({shown})")

        return called


def _watch(function: Callable[..., Any], *_: Any) -> list[str]:
    log: list[str] = []
    server, store, client = (_Recorder(name, log) for name in ("server", "store", "client"))
    function(server, store, client, lambda code: log.append(f"leave({code})"))
    return log


_SHUT_DOWN = Function(
    id="12.5",
    kind="mend",
    starter="""
        def shut_down(server, store, client, leave):
            client.close()
    """,
    reference=shut_down,
    drive=_watch,
    usage="shut_down(server, store, client, leave)",
    cases=((),),
    wrong=(
        ("    store.flush()\n    client.close()\n", "    client.close()\n    store.flush()\n"),
        ("\n    leave(0)", ""),
        (
            "    server.stop_accepting()\n    server.close_all(1001)\n",
            "    server.close_all(1001)\n    server.stop_accepting()\n",
        ),
        ("close_all(1001)", "close_all(1000)"),
    ),
)

# ---------------------------------------------------------------------- 12.6

_MESSAGES: Final = 1_000


def _judge_trips(answer: Any) -> str | None:
    if not isinstance(answer, dict) or set(answer) != {"one by one", "in groups"}:
        return "A dictionary with the keys `one by one` and `in groups` is wanted."
    documents = [{"_id": number} for number in range(_MESSAGES)]
    collection = Collection()
    for document in documents:
        collection.insert_one(document)
    alone = collection.trips
    collection = Collection()
    for start in range(0, _MESSAGES, 100):
        collection.insert_many(documents[start : start + 100])
    grouped = collection.trips
    if ... in answer.values():
        return "There is still `...` in your answer: fill it in."
    if answer["one by one"] != alone:
        return f"`one by one` is {answer['one by one']!r} in yours: one `insert_one` per message."
    if answer["in groups"] in (alone, alone + grouped):
        return "`in groups`: take a new `Collection()`, and `insert_many` with 100 at a time."
    if answer["in groups"] != grouped:
        return f"`in groups` is {answer['in groups']!r} in yours. Groups of 100 are asked for."
    return None


_TRIPS = Measure(
    id="12.6",
    starter="""
        from goim_edu.exercises.chapter_12 import Collection

        documents = [{"_id": number} for number in range(1000)]
        collection = Collection()
        for document in documents:
            collection.insert_one(document)
        answer = {"one by one": collection.trips, "in groups": ...}
    """,
    solved=(
        "answer = ",
        code("""
            grouped = Collection()
            for start in range(0, 1000, 100):
                grouped.insert_many(documents[start : start + 100])
            answer = """),
        "...",
        "grouped.trips",
    ),
    judge=_judge_trips,
    wrong=(
        ({"one by one": 1000, "in groups": 1000}, "new `Collection()`"),
        ({"one by one": 1000, "in groups": 1}, "Groups of 100"),
        ({"one by one": 10, "in groups": 10}, "one `insert_one` per message"),
        (None, "dictionary"),
    ),
)
