"""Try every interleaving of some servers that write one room, and tell the shortest bad story.

A *model* is a state, the steps that may come next, and what must never be. ``explore`` goes through
all states, breadth first, so the first bad one it meets is reached by the fewest steps. That is how
TLC checks TLA+ (explicit-state model checking).

The model here is that of the store: each server numbers its messages and inserts them, the database
takes the requests in any order, a majority lags behind, and a fault is an answer that never came or
a failover. ``Rules`` switches the protections off, one by one.

Source: Lamport, "Specifying Systems" (2002), chapter 14.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Generic, Literal, NamedTuple, TypeVar

__all__ = ["Model", "Rules", "Server", "State", "Verdict", "explore", "writers"]

S = TypeVar("S", bound=Hashable)
MOST: Final = 2_000_000
"""States after which ``explore`` gives up."""


@dataclass(frozen=True)
class Model(Generic[S]):
    """What may happen, and what must not.

    Args:
        first: the state at the beginning.
        steps: yields the steps from a state: the words for each, and the state behind it.
        wrong: says what is wrong with a state, or gives None.
    """

    first: S
    steps: Callable[[S], Iterator[tuple[str, S]]]
    wrong: Callable[[S], str | None]


@dataclass(frozen=True)
class Verdict:
    """What ``explore`` has found.

    Args:
        wrong: what went wrong; None if nothing can.
        story: the steps that lead there, as few as possible.
        states: how many different states were seen.
    """

    wrong: str | None
    story: tuple[str, ...]
    states: int

    @property
    def steps(self) -> list[tuple[str, str]]:
        """The story for ``draw.story``: who, and what."""
        return [_told_apart(words) for words in self.story]

    def __str__(self) -> str:
        seen = f"{self.states:,} states"
        if self.wrong is None:
            return f"nothing wrong in {seen}"
        steps = "".join(f"\n  {number}. {step}" for number, step in enumerate(self.story, 1))
        return f"{self.wrong}, after {len(self.story)} steps ({seen} seen):{steps}"


def _told_apart(words: str) -> tuple[str, str]:
    """The one that acts, and the rest.

    >>> _told_apart("A reads the head: 0"), _told_apart("a majority has one more")
    (('server A', 'reads the head: 0'), ('majority', 'has one more'))
    """
    who, _, what = words.removeprefix("the ").removeprefix("a ").partition(" ")
    if who in ("database", "majority"):
        return who, what
    return (f"server {who}", what) if len(who) == 1 and who.isupper() else ("database", words)


def explore(model: Model[S], most: int = MOST) -> Verdict:
    """Go through all states, the near ones first, until one is wrong.

    Args:
        model: what to go through.
        most: states after which to give up.

    Returns:
        The shortest story that ends badly, or the word that there is none.

    Raises:
        RuntimeError: there are more states; nothing is known then.

    >>> def steps(number: int):
    ...     yield "add two", (number + 2) % 10
    ...     yield "triple", 3 * number % 10
    >>> print(explore(Model(1, steps, lambda number: "seven" if number == 7 else None)))
    seven, after 3 steps (5 states seen):
      1. add two
      2. add two
      3. add two
    """
    came_from: dict[S, tuple[S, str] | None] = {model.first: None}
    waiting = deque([model.first])
    while waiting:
        state = waiting.popleft()
        if (wrong := model.wrong(state)) is not None:
            return Verdict(wrong, _story(state, came_from), len(came_from))
        for words, after in model.steps(state):
            if after not in came_from:
                came_from[after] = (state, words)
                waiting.append(after)
        if len(came_from) > most:
            raise RuntimeError(
                f"there are more than {most:,} states: take fewer messages or faults"
            )
    return Verdict(None, (), len(came_from))


def _story(state: S, came_from: dict[S, tuple[S, str] | None]) -> tuple[str, ...]:
    words = []
    while (step := came_from[state]) is not None:
        state = step[0]
        words.append(step[1])
    return tuple(reversed(words))


# ---------------------------------------------------------------------- the servers of one room


@dataclass(frozen=True)
class Rules:
    """How the servers write, and how much may go wrong.

    Args:
        numbers: where a number comes from. ``insert``: from the head of the room, and the insert
            settles who has it. ``counter``: a counter grants it, which nobody can lose or share.
        ordered: whether an insert stops at the first document that is refused.
        fence: whether a number can be stored only once: the unique index ``room_seq``.
        once: whether a message can be stored only once: its ``_id``.
        head: whether the head is what a majority has, or what one member has.
        batch: most messages of one insert.
        faults: how many answers may get lost, and how many failovers there may be, in all.
    """

    numbers: Literal["insert", "counter"] = "insert"
    ordered: bool = True
    fence: bool = True
    once: bool = True
    head: Literal["majority", "local"] = "majority"
    batch: int = 2
    faults: int = 1


class Server(NamedTuple):
    """One server: the messages that it has still to store, and how far it is with the next ones.

    Args:
        messages: their keys, in order.
        at: where it stands. ``unsure``: its request may be stored, so it asks before it goes on.
        number: the number of the first message of its request.
        stored: how many of the request are stored, from the first on, by the answer.
        acked: what it has acknowledged: keys and numbers.
    """

    messages: tuple[str, ...]
    at: Literal["idle", "numbered", "waiting", "settled", "refused", "unsure"] = "idle"
    number: int = 0
    stored: int = 0
    acked: tuple[tuple[str, int], ...] = ()


class Request(NamedTuple):
    """An insert on its way to the database, by the server of that index."""

    server: int
    number: int
    messages: tuple[str, ...]

    @property
    def documents(self) -> tuple[tuple[int, str], ...]:
        """Each message with its number."""
        return tuple(enumerate(self.messages, self.number))


class State(NamedTuple):
    """All that is true at a moment.

    Args:
        stream: numbers and messages in the order in which the primary has stored them.
        sure: how many of them a majority has; the others may be lost by a failover.
        counter: the number granted last.
        requests: those on their way.
        servers: what each server knows.
        faults: how many there were.
    """

    servers: tuple[Server, ...]
    stream: tuple[tuple[int, str], ...] = ()
    sure: int = 0
    counter: int = 0
    requests: frozenset[Request] = frozenset()
    faults: int = 0

    @property
    def committed(self) -> tuple[tuple[int, str], ...]:
        """What a majority has."""
        return self.stream[: self.sure]


def writers(messages: Sequence[Sequence[str]], rules: Rules | None = None) -> Model[State]:
    """Some servers that write one room.

    Args:
        messages: the messages of each server; the same one may be sent to several.
        rules: how they write.

    >>> print(explore(writers([["a"], ["b"]], Rules(numbers="counter", faults=0))))
    the stream tells [2, 1], after 8 steps (61 states seen):
      1. A is granted 1
      2. A sends 1: a
      3. B is granted 2
      4. B sends 2: b
      5. the database takes 2: b
      6. the database takes 1: a
      7. a majority has one more
      8. a majority has one more
    >>> explore(writers([["a"], ["b"]])).wrong is None
    True
    """
    rules = Rules() if rules is None else rules
    first = State(tuple(Server(tuple(own)) for own in messages))

    def steps(state: State) -> Iterator[tuple[str, State]]:
        for index in range(len(state.servers)):
            yield from _server_steps(state, index, rules)
        yield from _database_steps(state, rules)

    return Model(first, steps, lambda state: _wrong(state, rules))


def _server_steps(state: State, index: int, rules: Rules) -> Iterator[tuple[str, State]]:
    """What one server may do next."""
    server, name = state.servers[index], _name(index)
    batch = server.messages[: rules.batch]
    if server.at == "idle" and batch:
        yield _number(state, index, batch, rules)
    elif server.at == "numbered":
        request = Request(index, server.number, batch)
        sent = _put(state, index, at="waiting")
        yield f"{name} sends {_told(request)}", sent._replace(requests=state.requests | {request})
    elif server.at == "waiting" and state.faults < rules.faults:
        gone = _put(state, index, at="unsure")  # what it sent is still on its way
        yield f"{name} waits no longer", gone._replace(faults=state.faults + 1)
    elif server.at in ("settled", "refused") and state.sure == len(state.stream):
        # Only now, since the insert asks for a majority; the answer of a refused one waits as well.
        acked = tuple(zip(batch, range(server.number, server.number + server.stored), strict=False))
        after = _put(
            state,
            index,
            at="unsure" if server.at == "refused" else "idle",
            messages=server.messages[server.stored :],
            acked=server.acked + acked,
            stored=0,
        )
        yield f"{name} hears that {server.stored} of {len(batch)} are stored", after
    elif server.at == "unsure":
        found = {key: number for number, key in state.committed if key in batch}
        left = tuple(key for key in server.messages if key not in found)
        acked = (*server.acked, *sorted(found.items()))
        what = " and ".join(f"{key} as {number}" for key, number in sorted(found.items()))
        words = f"{name} looks for its messages and finds {what or 'none'}"
        yield words, _put(state, index, at="idle", messages=left, acked=acked)


def _number(state: State, index: int, batch: Sequence[str], rules: Rules) -> tuple[str, State]:
    """A server takes numbers for its next messages."""
    name = _name(index)
    if rules.numbers == "counter":
        number = state.counter + 1
        granted = _put(state, index, at="numbered", number=number)
        words = f"{name} is granted {_span(number, len(batch))}"
        return words, granted._replace(counter=state.counter + len(batch))
    seen = state.committed if rules.head == "majority" else state.stream
    head = max((number for number, _ in seen), default=0)
    return f"{name} reads the head: {head}", _put(state, index, at="numbered", number=head + 1)


def _database_steps(state: State, rules: Rules) -> Iterator[tuple[str, State]]:
    """What the database may do next."""
    for request in sorted(state.requests):
        stream, stored, why = _insert(state.stream, request, rules)
        after = state._replace(requests=state.requests - {request}, stream=stream)
        server = state.servers[request.server]
        if server.at == "waiting" and server.number == request.number:
            at = "refused" if why == "message" else "settled"
            after = _put(after, request.server, at=at, stored=stored)
        yield f"the database takes {_told(request)}", after
    if state.sure < len(state.stream):
        yield "a majority has one more", state._replace(sure=state.sure + 1)
        if state.faults < rules.faults:
            # An answer that waited for the majority says now that nobody knows.
            servers = tuple(
                one._replace(at="unsure", stored=0) if one.at in ("settled", "refused") else one
                for one in state.servers
            )
            back = state._replace(servers=servers, stream=state.committed, faults=state.faults + 1)
            yield "failover: what no majority had is gone", back


def _insert(
    stream: tuple[tuple[int, str], ...], request: Request, rules: Rules
) -> tuple[tuple[tuple[int, str], ...], int, str]:
    """The stream after an insert, how many went in, and what was taken that stopped it.

    Without an order the database may begin with the last document; that is the worst case.
    """
    stored, why = 0, ""
    for number, key in request.documents if rules.ordered else reversed(request.documents):
        if rules.once and any(key == message for _, message in stream):
            why = "message"
        elif rules.fence and any(number == other for other, _ in stream):
            why = "number"
        else:
            stream = (*stream, (number, key))
            stored += 1
            continue
        if rules.ordered:
            break
    return stream, stored, why


def _wrong(state: State, rules: Rules) -> str | None:
    """Which promise is broken, as far as a majority knows."""
    told = [number for number, _ in state.committed]
    messages = Counter(key for _, key in state.committed)
    for key, times in messages.items():
        if times > 1:
            return f"{key} is stored {times} times"
    if any(earlier >= later for earlier, later in pairwise(told)):
        return f"the stream tells {told}"
    if rules.numbers == "insert" and told != list(range(1, len(told) + 1)):
        return f"the stream has a hole: {told}"
    for server in state.servers:
        for key, number in server.acked:
            if (number, key) not in state.committed:
                return f"{key} was acknowledged as {number}, and is lost"
    return None


def _put(state: State, index: int, **changes: object) -> State:
    changed = state.servers[index]._replace(**changes)  # type: ignore[arg-type]
    before, after = state.servers[:index], state.servers[index + 1 :]
    return state._replace(servers=(*before, changed, *after))


def _name(index: int) -> str:
    return "ABCDEFGH"[index]


def _span(number: int, count: int) -> str:
    return str(number) if count == 1 else f"{number} to {number + count - 1}"


def _told(request: Request) -> str:
    return ", ".join(f"{number}: {key}" for number, key in request.documents)
