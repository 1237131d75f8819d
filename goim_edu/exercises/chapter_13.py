"""Exercises of chapter 13: the replica set (MongoDB manual, "Replication")."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from goim_edu.errors import StoreUnavailable
from goim_edu.exercises.made_up_inputs import Choices
from goim_edu.exercises.model import Function, Measure, Predict

__all__ = ["lost_after_kill", "majority"]


def majority(voters: int) -> int:
    """How many votes decide: more than half (MongoDB manual, "Replica Set Elections")."""
    return voters // 2 + 1


# ---------------------------------------------------------------------- 13.1

_MAJORITY = Function(
    id="13.1",
    starter="""
        def majority(voters):
            return voters / 2
    """,
    reference=majority,
    cases=((3,), (1,), (4,), (7,), (2,)),
    make=lambda c: (c.integer(1, 7),),
    wrong=(
        ("voters // 2 + 1", "(voters + 1) // 2"),
        ("voters // 2 + 1", "voters"),
        ("voters // 2 + 1", "max(2, voters // 2 + 1)"),
        ("voters // 2 + 1", "voters // 2"),
    ),
)

# ---------------------------------------------------------------------- 13.2

_FOURTH = Predict(
    id="13.2",
    answer=1,
    experiment="""
        from goim_edu.exercises.chapter_13 import majority
        4 - majority(4)
    """,
)

# ---------------------------------------------------------------------- 13.3


def committed(positions: list[int]) -> int:
    """The last entry that a majority has; ``positions`` are the last entries of all voters."""
    needed = len(positions) // 2 + 1
    return sorted(positions, reverse=True)[needed - 1]


_COMMITTED = Function(
    id="13.3",
    starter="""
        def committed(positions):
            return max(positions)
    """,
    reference=committed,
    cases=(([9, 9, 9],), ([9, 7, 4],), ([4, 9, 4],), ([9, 8, 2, 1],), ([5],), ([9, 8, 7, 2, 1],)),
    make=lambda c: (c.some(1, 7, lambda: c.integer(0, 20)),),
    wrong=(
        ("sorted(positions, reverse=True)[needed - 1]", "max(positions)"),
        ("sorted(positions, reverse=True)[needed - 1]", "min(positions)"),
        ("len(positions) // 2 + 1", "(len(positions) + 1) // 2"),
        ("sorted(positions, reverse=True)[needed - 1]", "positions[needed - 1]"),
    ),
)

# ---------------------------------------------------------------------- 13.4


def rolled_back(old: list[str], new: list[str]) -> list[str]:
    """What an old primary must take back when it joins the new one's log."""
    common = 0
    for ours, theirs in zip(old, new, strict=False):
        if ours != theirs:
            break
        common += 1
    return old[common:]


def _logs(c: Choices) -> tuple[list[str], list[str]]:
    both = c.some(0, 3, lambda: c.pick("abc"))
    return (both + c.some(0, 3, lambda: c.pick("abx")), both + c.some(0, 3, lambda: c.pick("aby")))


_ALL_THAT_IS_NOT_THERE = """
    def rolled_back(old, new):
        return [write for write in old if write not in new]
"""
_ROLLBACK = Function(
    id="13.4",
    starter=_ALL_THAT_IS_NOT_THERE,
    kind="mend",
    reference=rolled_back,
    cases=(
        (["a", "b", "c"], ["a", "b"]),
        (["a", "b"], ["a", "b", "d", "e"]),
        (["a", "x", "y"], ["a", "b"]),
        (["a", "x", "b"], ["a", "b"]),
        (["a", "x", "c"], ["a", "y", "c"]),
        ([], ["a"]),
    ),
    make=_logs,
    wrong=(
        _ALL_THAT_IS_NOT_THERE,
        ("break", "continue"),
        ("return old[common:]", "return old[common:] or new[common:]"),
        ("return old[common:]", "return new[common:]"),
    ),
)

# ---------------------------------------------------------------------- 13.5


def send_until_stored(send: Callable[[str, str], int], text: str, new_id: Callable[[], str]) -> int:
    """Send until there is an answer, always with the same client_msg_id."""
    client_msg_id = new_id()
    while True:
        try:
            return send(client_msg_id, text)
        except StoreUnavailable:
            continue


def _failing_over(function: Callable[..., Any], outcomes: list[str]) -> tuple[Any, list[str]]:
    """A server that fails before it stores, or after; the answer, and the texts it has stored."""
    stored: dict[str, str] = {}
    plan = list(outcomes)
    fresh: list[str] = []

    def new_id() -> str:
        fresh.append(f"m{len(fresh) + 1}-{len(plan)}")
        return fresh[-1]

    def send(client_msg_id: str, text: str) -> int:
        outcome = plan.pop(0) if plan else "works"
        if client_msg_id not in fresh:
            return 1  # an id from elsewhere was used before: nothing new is stored
        if outcome == "not stored":
            raise StoreUnavailable("no primary")
        stored.setdefault(client_msg_id, text)
        if outcome == "ack lost":
            raise StoreUnavailable("the connection broke")
        return list(stored).index(client_msg_id) + 7 + len(outcomes)

    answer = function(send, "Hello", new_id)
    return answer, list(stored.values())


_RETRY = Function(
    id="13.5",
    kind="mend",
    needs="from goim_edu.store import StoreUnavailable",
    starter="""
        def send_until_stored(send, text, new_id):
            while True:
                try:
                    return send(new_id(), text)
                except StoreUnavailable:
                    continue
    """,
    reference=send_until_stored,
    drive=_failing_over,
    usage="tries = {0}, then it works",
    parts=("seq", "stored"),
    errors=(StoreUnavailable,),
    cases=(
        ([],),
        (["not stored"],),
        (["ack lost"],),
        (["not stored", "ack lost", "ack lost", "not stored"] * 3,),
    ),
    make=lambda c: (c.some(0, 5, lambda: c.pick(("not stored", "ack lost"))),),
    wrong=(
        ("return send(client_msg_id, text)", "return send(new_id(), text)"),
        ("except StoreUnavailable:", "except LookupError:"),
        ("continue", "return 0"),
        ("continue", "return send(client_msg_id, text)"),
    ),
)

# ---------------------------------------------------------------------- 13.6

_WRITES: Final = 100


def lost_after_kill(write_concern: str, lag: int) -> tuple[int, int]:
    """A model: 100 writes, then the primary is killed; how many were acknowledged, how many lost.

    It is a model with one number for the delay. The chapter does it with three real mongods.

    Args:
        write_concern: ``"1"`` (the primary alone acknowledges) or ``"majority"``.
        lag: by how many writes the secondaries are behind when the primary dies.

    >>> lost_after_kill("1", lag=3), lost_after_kill("majority", lag=3)
    ((100, 3), (97, 0))
    """
    copied = max(0, _WRITES - lag)
    acknowledged = _WRITES if write_concern == "1" else copied
    return acknowledged, acknowledged - copied


def _judge_lost(answer: Any) -> str | None:
    if not isinstance(answer, dict) or set(answer) != {"1", "majority"}:
        return "A dictionary with the keys `'1'` and `'majority'` is wanted."
    for concern in ("1", "majority"):
        right = [lost_after_kill(concern, lag)[1] for lag in (0, 5, 20)]
        yours = answer[concern]
        if yours == right:
            continue
        if not isinstance(yours, list):
            return f"For {concern!r} a list of three numbers is wanted, one for each lag."
        if yours == [lost_after_kill(concern, lag) for lag in (0, 5, 20)]:
            return f"For {concern!r} you give pairs: acknowledged, lost. Only *lost* is asked for."
        if yours == [lost_after_kill(concern, lag)[0] for lag in (0, 5, 20)]:
            return f"For {concern!r} you give what was acknowledged; what was *lost* is asked for."
        return f"For {concern!r} you found {yours!r}. The lags are 0, 5 and 20, in this order."
    return None


_LOST = Measure(
    id="13.6",
    starter="""
        from goim_edu.exercises.chapter_13 import lost_after_kill

        answer = {}
        for write_concern in ("1", "majority"):
            answer[write_concern] = [lost_after_kill(write_concern, lag) for lag in (0, 5, 20)]
    """,
    solved=("lag) for", "lag)[1] for"),
    judge=_judge_lost,
    wrong=(
        ({"1": [100, 100, 100], "majority": [100, 95, 80]}, "what was *lost*"),
        ({"1": [0, 5, 20], "majority": [0, 5, 20]}, "The lags are"),
        ({"1": [(100, 0), (100, 5), (100, 20)], "majority": [0, 0, 0]}, "pairs"),
        ({"1": 25, "majority": 0}, "a list of three numbers"),
        ([0, 5, 20], "dictionary"),
    ),
)

# ---------------------------------------------------------------------- 13.7

_STALE = Predict(id="13.7", right="c")
