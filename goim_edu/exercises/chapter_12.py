"""Exercises of chapter 12: storing messages (pymongo; MongoDB manual)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, Final

from pymongo.errors import DuplicateKeyError

from goim_edu.exercises.model import (
    Case,
    Exercise,
    Function,
    Measure,
    Option,
    Predict,
    Wrong,
    code,
)
from goim_edu.exercises.samples import Choices

__all__ = ["EXERCISES", "Collection"]


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
    title="The notes' address",
    statement="""The notes connect to `mongo://localhost:27017`. What does pymongo say to that,
        even before it looks for a server?""",
    options=(
        Option(
            "ConnectionFailure",
            "It does not get as far as connecting: it cannot even read this address.",
        ),
        Option(
            "InvalidURI",
            "An address begins with `mongodb://` or `mongodb+srv://`; `mongo://` is none.",
            right=True,
        ),
        Option(
            "ServerSelectionTimeoutError",
            "That would come after some seconds without a server. This comes at once.",
        ),
        Option("nothing, it works", "Then `mongo` and `mongodb` would have to mean the same."),
    ),
    experiment=code("""
        from pymongo import MongoClient

        outcome = "nothing, it works"
        try:
            MongoClient("mongo://localhost:27017")
        except Exception as error:
            outcome = type(error).__name__
        outcome
    """),
    hints=(
        'Look at the manual, "Connection Strings": how must an address begin?',
        "No server is needed to see this fault.",
    ),
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


def _use(function: Callable[..., Any], outcomes: list[str], callers: int) -> tuple[Any, str]:
    """Call ``get`` several times, or from several threads, and look how often was connected."""
    tries = 0

    def connect() -> str:
        nonlocal tries
        tries += 1
        time.sleep(0.01 if callers > 1 else 0)  # long enough for the others to come in
        if tries <= len(outcomes) and outcomes[tries - 1] == "fails":
            raise ConnectionError("no server")
        return "database"

    get = function(connect)
    results: list[str] = []

    def ask() -> None:
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
    successes = tries - outcomes.count("fails")
    often = ("never connected", "connected once")[successes] if successes in (0, 1) else ""
    return results, often or "connected several times"


_ONCE = Function(
    id="12.2",
    title="Connect once, really once",
    kind="mend",
    statement="""The notes' `GetMongo` connects at the first call (`sync.Once`); if that fails,
        the program is ended. Mend `once(connect)`, which gives back a function `get`: the first
        call of `get` connects, all others give back the same database, also when several
        threads call at the same moment. If `connect` raises, the caller sees that, and the next
        call tries again.""",
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
    cases=(
        Case(
            (["works"], 1),
            "two calls, one after the other",
            "The second call must not connect again.",
        ),
        Case(
            (["fails", "works"], 1),
            "the first try fails",
            """The first caller is told; the next call tries again and succeeds. Nothing may be
                left half-made by a failure.""",
        ),
        Case(
            ([], 4),
            "four threads at the same moment",
            "While one connects, the others must wait for it: look and connect under one lock.",
        ),
    ),
    hints=(
        "`lock = threading.Lock()`, and inside of `get` all under `with lock:`.",
        "Looking whether it is there, and connecting, must both happen under the lock.",
        "If `connect` raises, nothing is kept, and the lock is released by `with`.",
    ),
    wrong=(
        Wrong(
            "under one lock",
            whole="""
                def once(connect):
                    connected = []

                    def get():
                        if not connected:
                            connected.append(connect())
                        return connected[0]

                    return get
            """,
            tip="""no lock covers both the look and the connecting, so threads that come at the
                same moment all connect.""",
        ),
        Wrong(
            "connect again",
            whole="""
                def once(connect):
                    return connect
            """,
            tip="every call connects.",
        ),
        Wrong(
            "tries again",
            whole="""
                import threading

                def once(connect):
                    lock, done, database = threading.Lock(), False, None

                    def get():
                        nonlocal done, database
                        with lock:
                            if not done:
                                done = True
                                database = connect()
                        return database

                    return get
            """,
            tip="it is marked as done before it is done, so after a failure all get `None`.",
        ),
        Wrong(
            "under one lock",
            whole="""
                import threading

                def once(connect):
                    lock, connected = threading.Lock(), []

                    def get():
                        if not connected:
                            with lock:
                                connected.append(connect())
                        return connected[0]

                    return get
            """,
        ),
    ),
    after="`goim_edu.store.get_mongo()` keeps this promise; the server connects at its start.",
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


def _arrivals(c: Choices) -> tuple[list[int], int, int]:
    now = 0
    times = []
    for _ in range(c.integer(0, 9)):
        now += c.pick((0, 1, 3, 8))
        times.append(now)
    return times, c.integer(1, 4), c.integer(1, 10)


_GROUPS = Function(
    id="12.3",
    title="Group commit",
    statement="""Messages arrive at `arrivals` (milliseconds, ascending). A group begins with
        its first message, and takes those that arrive less than `wait` milliseconds after that
        *first* one, but at most `most`. Write `groups(arrivals, most, wait)`: a list of groups,
        each a list of arrival times.""",
    starter="""
        def groups(arrivals, most, wait):
            return [[at] for at in arrivals]
    """,
    reference=groups,
    cases=(
        Case(([0], 10, 5), "one message", "One group with one message."),
        Case(([0, 1, 2], 10, 5), "three in a short time", "All within 5 ms: one group."),
        Case(
            ([0, 1, 2, 3], 2, 5),
            "four in a short time, two to a group",
            "The group is full with two; the third begins the next.",
        ),
        Case(
            ([0, 5], 10, 5),
            "the second comes exactly 5 ms after the first",
            "*Less* than 5 ms is asked for: the first group has gone by then.",
        ),
        Case(
            ([0, 3, 6, 9], 10, 5),
            "one message every 3 ms",
            """The wait counts from the *first* message of a group, or a steady stream would
                never be written.""",
        ),
        Case(([], 10, 5), "no message", "No group."),
    ),
    make=_arrivals,
    hints=(
        "Look at the last group: is there room, and is its first message young enough?",
        "`found[-1][0]` is the first message of the last group.",
    ),
    wrong=(
        Wrong(
            "counts from the *first*",
            "found[-1][0]",
            "found[-1][-1]",
            tip="each message prolongs the wait of its group.",
        ),
        Wrong(
            "full with two",
            "len(found[-1]) < most",
            "len(found[-1]) <= most",
            tip="the groups get one message too many.",
        ),
        Wrong(
            "*Less* than 5 ms",
            "at - found[-1][0] < wait",
            "at - found[-1][0] <= wait",
            tip="a message that comes when the wait is over still joins.",
        ),
        Wrong(
            "full with two",
            "len(found[-1]) < most and ",
            "",
            tip="`most` is not looked at.",
        ),
    ),
    after="""One trip, one journal flush for the whole group: that is where 40,000 a second come
        from.""",
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
    title="Error 11000 means success",
    kind="mend",
    statement="""The `_id` of a message is made of its user and `client_msg_id`. If `insert_one`
        raises `DuplicateKeyError`, it is stored already: the first try had worked, only its
        answer was lost. Mend `save(collection, document)`: give back `(seq, duplicate)`, for a
        duplicate with the `seq` of the message that is *stored*. (It is called for each
        document in turn; what you see are all answers, and how many documents there are at the
        end.)""",
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
        Case(([_message("4:lisa:m1", 1)],), "a new message", "Stored, with its own number."),
        Case(
            ([_message("4:lisa:m1", 1), _message("4:lisa:m1", 2)],),
            "the same message again, with the next number",
            """`DuplicateKeyError` says that it is stored. The number that counts is the stored
                one: `collection.find_one({'_id': ...})` reads it back.""",
        ),
        Case(
            ([_message("4:lisa:m1", 1), _message("3:max:m1", 2)],),
            "two users, two messages",
            "Different `_id`s: both are new.",
        ),
    ),
    make=lambda c: (
        [
            _message(c.pick(("4:lisa:m1", "4:lisa:m2", "3:max:m1")), seq)
            for seq in range(1, c.integer(0, 6) + 1)
        ],
    ),
    hints=(
        "`try:` the insert, `except DuplicateKeyError:` look up what is stored.",
        "`collection.find_one({'_id': document['_id']})['seq']`",
    ),
    wrong=(
        Wrong(
            "the stored one",
            "(stored or document)",
            "document",
            tip="the new number is given for the old message; it belongs to nothing.",
        ),
        Wrong(
            "DuplicateKeyError",
            "except DuplicateKeyError:",
            "except ValueError:",
            tip="the error of a duplicate is not caught.",
        ),
        Wrong(
            "the stored one",
            '["seq"], True',
            '["seq"], False',
            tip="the duplicate is not called one.",
        ),
        Wrong(
            "`stored`",
            whole="""
                from pymongo.errors import DuplicateKeyError

                def save(collection, document):
                    try:
                        collection.insert_one(document)
                        return document["seq"], False
                    except DuplicateKeyError:
                        stored = collection.find_one({"_id": document["_id"]})
                        collection.insert_one({**document, "_id": document["_id"] + "again"})
                        return stored["seq"], True
            """,
            tip="the duplicate is stored as well, under another `_id`.",
        ),
    ),
    after="""The store does this for whole groups: `insert_many` unordered, each with its own
        result.""",
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
    title="Mend the notes' shutdown hook",
    kind="mend",
    statement="""When the signal comes, the notes' hook closes the client of the database, and
        that is all: the process lives on, with requests that can no longer be stored. Mend
        `shut_down(server, store, client, leave)`. It shall call, each once and in the order in
        which nothing is lost: `client.close()`, `leave(0)`, `server.close_all(1001)` (going
        away), `server.drain_queues()`, `server.stop_accepting()`, `store.flush()`. (The calls
        are written down; that is what you see compared.)""",
    starter="""
        def shut_down(server, store, client, leave):
            client.close()
    """,
    reference=shut_down,
    drive=_watch,
    usage="shut_down(server, store, client, leave)",
    cases=(
        Case(
            (),
            "the signal has come",
            """From the outside in: no new clients, Close 1001 to those that are there, let
                their queues drain, flush what waits to be stored, only then close the client,
                and leave with 0, or the process lives on.""",
        ),
    ),
    hints=(
        "From the outside in: first nobody new may come, last the database is closed.",
        "What still wants to write to the database must be done before `client.close()`.",
        "Go's `signal.Notify` takes the default action away: without an exit nothing ends.",
    ),
    wrong=(
        Wrong(
            "only then close the client",
            "    store.flush()\n    client.close()\n",
            "    client.close()\n    store.flush()\n",
            tip="the client is closed before what waits has been stored.",
        ),
        Wrong(
            "leave(0)",
            whole="""
                def shut_down(server, store, client, leave):
                    server.stop_accepting()
                    server.close_all(1001)
                    server.drain_queues()
                    store.flush()
                    client.close()
            """,
            tip="nothing ends the process: it lives on with a closed client.",
        ),
        Wrong(
            "no new clients",
            "    server.stop_accepting()\n    server.close_all(1001)\n",
            "    server.close_all(1001)\n    server.stop_accepting()\n",
            tip="new clients may still come in after all were sent away.",
        ),
        Wrong(
            "1001",
            "close_all(1001)",
            "close_all(1000)",
            tip="1000 means that all is done; a server that goes away says 1001.",
        ),
    ),
    after="SIGTERM to `python -m goim_edu serve` does this, and a second one leaves at once.",
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
    title="Count the trips, not the seconds",
    statement="""1,000 messages are stored: `one by one` with `insert_one`, and `in groups` of
        100 with `insert_many`. How many trips to the database is that? `Collection()` is one in
        memory that counts (`.trips`). The answer is a dictionary with these two keys.""",
    starter=code("""
        from goim_edu.exercises.chapter_12 import Collection

        documents = [{"_id": number} for number in range(1000)]
        collection = Collection()
        for document in documents:
            collection.insert_one(document)
        answer = {"one by one": collection.trips, "in groups": ...}
    """),
    solution=code("""
        from goim_edu.exercises.chapter_12 import Collection

        documents = [{"_id": number} for number in range(1000)]
        collection = Collection()
        for document in documents:
            collection.insert_one(document)
        grouped = Collection()
        for start in range(0, 1000, 100):
            grouped.insert_many(documents[start : start + 100])
        answer = {"one by one": collection.trips, "in groups": grouped.trips}
    """),
    judge=_judge_trips,
    wrong=(
        ({"one by one": 1000, "in groups": 1000}, "new `Collection()`"),
        ({"one by one": 1000, "in groups": 1}, "Groups of 100"),
        ({"one by one": 10, "in groups": 10}, "one `insert_one` per message"),
        (None, "dictionary"),
    ),
    hints=(
        "`documents[start : start + 100]` is one group.",
        "`range(0, 1000, 100)` are the starts.",
    ),
    after="On a real MongoDB each trip with majority waits for the journal of others.",
)

EXERCISES: tuple[Exercise, ...] = (
    _URI,
    _ONCE,
    _GROUPS,
    _SAVE,
    _SHUT_DOWN,
    _TRIPS,
)
