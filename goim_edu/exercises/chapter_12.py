"""Exercises of chapter 12: storing messages (pymongo; MongoDB manual)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, Final

from pymongo.errors import ConnectionFailure, DuplicateKeyError

from goim_edu.exercises.collection import Collection
from goim_edu.exercises.model import Function, Measure, Predict, code

__all__ = ["Collection"]


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
    if not callable(get):
        return get, "`once` gave back no function; is `return get` missing?"
    results: list[str] = []
    accidents: list[Exception] = []

    def ask() -> None:
        together.wait()
        try:
            results.append(str(get()))
        except ConnectionError:
            results.append("ConnectionError")
        except Exception as error:  # noqa: BLE001 (a thread must not print the learner's error)
            accidents.append(error)

    if callers > 1:
        threads = [threading.Thread(target=ask, daemon=True) for _ in range(callers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(5)
    else:
        for _ in range(len(outcomes) + 1):
            ask()
    if accidents:
        raise accidents[0]
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
        return stored["seq"], True
    return document["seq"], False


_RIVAL: Final = "another server stores the first one, too"
_BREAKS: Final = "the connection breaks"


def _save_all(
    function: Callable[..., Any], documents: list[dict[str, Any]], meanwhile: str = "nothing"
) -> tuple[Any, int]:
    """Save them one by one in an empty collection; the answers, and how many are stored."""
    rival = {**documents[0], "seq": 100} if meanwhile == _RIVAL and documents else None
    collection = Collection(rival, breaks=meanwhile == _BREAKS)
    answers: list[Any] = []
    for document in documents:
        try:
            answers.append(function(collection, document))
        except ConnectionFailure as error:
            answers.append(f"raised {type(error).__name__}")
        except DuplicateKeyError:
            answers.append("raised DuplicateKeyError")
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
    usage="documents = {0}  # at the same time: {1}",
    parts=("answers", "stored"),
    cases=(
        ([_message("4:lisa:m1", 1)], "nothing"),
        ([_message("4:lisa:m1", 1), _message("4:lisa:m1", 2)], "nothing"),
        ([_message("4:lisa:m1", 1), _message("3:max:m1", 2)], "nothing"),
        ([_message("4:lisa:m1", 1)], _RIVAL),
        ([_message("4:lisa:m1", 1)], _BREAKS),
    ),
    make=lambda c: (
        [
            _message(c.pick(("4:lisa:m1", "4:lisa:m2", "3:max:m1")), seq)
            for seq in range(1, c.integer(0, 6) + 1)
        ],
        c.pick(("nothing", _RIVAL)),
    ),
    wrong=(
        ('stored["seq"]', 'document["seq"]'),
        ("except DuplicateKeyError:", "except ValueError:"),
        ('["seq"], True', '["seq"], False'),
        (
            "return stored",
            (
                'collection.insert_one({**document, "_id": document["_id"] + "again"})\n'
                "        return stored"
            ),
        ),
        """
        def save(collection, document):
            stored = collection.find_one({"_id": document["_id"]})
            if stored is not None:
                return stored["seq"], True
            collection.insert_one(document)
            return document["seq"], False
        """,
        ("except DuplicateKeyError:", "except Exception:"),
    ),
)

# ---------------------------------------------------------------------- 12.5


def shut_down(server: Any, store: Any, client: Any, leave: Callable[[int], None]) -> None:
    """Stop in the order in which nothing is lost, and end the process."""
    server.stop_accepting()
    store.flush()
    server.drain_queues()
    server.close_all(1001)
    client.close()
    leave(0)


class _Recorder:
    """Writes down what is called on it."""

    def __init__(self, name: str, log: list[str]) -> None:
        self._name = name
        self._log = log

    def __getattr__(self, method: str) -> Callable[..., None]:
        def called(*args: Any, **named: Any) -> None:
            shown = ", ".join(map(str, [*args, *named.values()]))
            self._log.append(f"{self._name}.{method}({shown})")

        return called


_RULES: Final = (
    ("store.flush()", "client.close()", "the client is closed before the store is flushed"),
    ("server.stop_accepting()", "", "something is done while new clients may still come in"),
    ("store.flush()", "server.close_all(1001)", "the Close goes out before the acks of the flush"),
    (
        "store.flush()",
        "server.drain_queues()",
        "the queues are drained before the flush fills them",
    ),
    ("server.close_all(1001)", "client.close()", "the client is closed before the last Close"),
    (
        "server.drain_queues()",
        "client.close()",
        "the client is closed before the queues are drained",
    ),
    ("", "leave(0)", "something comes after the exit"),
)
"""First call, second call (empty: any other), and what is lost if the second comes first."""


def _watch(function: Callable[..., Any], *_: Any) -> tuple[list[str], str]:
    """What was called, in alphabetical order, and the first rule that its true order broke."""
    log: list[str] = []
    server, store, client = (_Recorder(name, log) for name in ("server", "store", "client"))
    function(server, store, client, lambda code=None: log.append(f"leave({code})"))
    for first, second, loss in _RULES:
        before = log.index(first) if first in log else None
        after = log.index(second) if second in log else None
        if not first:
            broken = after is not None and after < len(log) - 1
        elif not second:
            broken = before is not None and before > 0
        else:
            broken = before is not None and after is not None and after < before
        if broken:
            return sorted(log), loss
    return sorted(log), "nothing is lost"


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
    parts=("calls", "what the order loses"),
    cases=((),),
    wrong=(
        (
            "    store.flush()\n",
            "",
            "    client.close()\n",
            "    client.close()\n    store.flush()\n",
        ),
        ("\n    leave(0)", ""),
        (
            "    server.stop_accepting()\n",
            "",
            "    client.close()\n",
            "    server.stop_accepting()\n    client.close()\n",
        ),
        ("close_all(1001)", "close_all(1000)"),
        (
            "    store.flush()\n",
            "",
            "    server.close_all(1001)\n",
            "    server.close_all(1001)\n    store.flush()\n",
        ),
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
        yours = answer["in groups"]
        return f"`in groups` is {yours!r} in yours. How many groups of 100 are 1,000 messages?"
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
        ({"one by one": 1000, "in groups": 1}, "How many groups of 100"),
        ({"one by one": 10, "in groups": 10}, "one `insert_one` per message"),
        (None, "dictionary"),
    ),
)
