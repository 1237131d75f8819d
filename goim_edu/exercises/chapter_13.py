"""Exercises of chapter 13: the replica set (MongoDB manual, "Replication")."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, Final

from goim_edu.errors import StoreUnavailable
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

__all__ = ["EXERCISES", "lost_after_kill", "majority"]


def majority(voters: int) -> int:
    """How many votes decide: more than half (MongoDB manual, "Replica Set Elections")."""
    return voters // 2 + 1


# ---------------------------------------------------------------------- 13.1

_MAJORITY = Function(
    id="13.1",
    title="How many are a majority?",
    statement="""Write `majority(voters)`: how many of the voting members of a replica set must
        agree to elect a primary, or to have a write that stays.""",
    starter="""
        def majority(voters):
            return voters / 2
    """,
    reference=majority,
    cases=(
        Case((3,), "three voters", "More than half of 3 is 2."),
        Case((1,), "one voter", "A set of one elects itself."),
        Case(
            (4,),
            "four voters",
            "Half is not enough: two halves could each elect a primary. 3 of 4 are needed.",
        ),
        Case((7,), "seven voters, the most that there may be", "4 of 7."),
        Case((2,), "two voters", "Both are needed, so two members are no safer than one."),
    ),
    make=lambda c: (c.integer(1, 7),),
    hints=("It must be more than half.", "`voters // 2` is half, cut down."),
    wrong=(
        Wrong(
            "Half is not enough",
            "voters // 2 + 1",
            "(voters + 1) // 2",
            tip="with an even number of voters, one half is enough in yours.",
        ),
        Wrong(
            "More than half",
            "voters // 2 + 1",
            "voters",
            tip="all must agree in yours: then a single broken member stops everything.",
        ),
        Wrong(
            "A set of one",
            "voters // 2 + 1",
            "max(2, voters // 2 + 1)",
            tip="at least two are wanted in yours, but a set may have one member.",
        ),
        Wrong(
            "More than half of 3",
            "voters // 2 + 1",
            "voters // 2",
            tip="half, cut down, is less than a majority.",
        ),
    ),
)

# ---------------------------------------------------------------------- 13.2

_FOURTH = Predict(
    id="13.2",
    title="A fourth member",
    statement="""Three voting members survive the loss of one. Somebody adds a fourth, to be
        safer. Of how many members may the set lose the vote now, and still elect a primary?""",
    answer=1,
    wrong={
        2: "Two of four are left then, and two are not more than half.",
        3: "One vote of four is no majority.",
        0: "Three of four are left, and that is a majority.",
    },
    otherwise="How many of four are a majority? The rest may be lost.",
    experiment=code("""
        from goim_edu.exercises.chapter_13 import majority
        4 - majority(4)
    """),
    hints=("A majority of four is three.", "What is left of four, if three must stay?"),
    after="So an even number of voters costs a machine and gains nothing.",
)

# ---------------------------------------------------------------------- 13.3


def committed(positions: list[int]) -> int:
    """The last entry that a majority has; ``positions`` are the last entries of all voters."""
    needed = len(positions) // 2 + 1
    return sorted(positions, reverse=True)[needed - 1]


_COMMITTED = Function(
    id="13.3",
    title="Which writes will stay?",
    statement="""Every member has copied the log of writes up to some entry; `positions` are the
        numbers of the last entries, one for each voting member, the primary among them. Write
        `committed(positions)`: the highest entry that a majority has. It, and all before it,
        survive a failover; that is what write concern `majority` waits for.""",
    starter="""
        def committed(positions):
            return max(positions)
    """,
    reference=committed,
    cases=(
        Case(([9, 9, 9],), "all have the same", "All have entry 9."),
        Case(
            ([9, 7, 4],),
            "three members, at 9, 7 and 4",
            "Entry 7 is on two of three: the members at 9 and at 7. Entry 8 is on one only.",
        ),
        Case(
            ([4, 9, 4],),
            "a primary that is far ahead of both",
            "What only the primary has may be rolled back.",
        ),
        Case(
            ([9, 8, 2, 1],),
            "four members",
            "A majority of four is three, so three must have it: that is entry 2.",
        ),
        Case(([5],), "a set of one", "It is its own majority."),
        Case(([9, 8, 7, 2, 1],), "five members", "Three of five have entry 7."),
    ),
    make=lambda c: (c.some(1, 7, lambda: c.integer(0, 20)),),
    hints=(
        "Sort the positions, the highest first.",
        "With three members the second has it: its position, and all higher ones, make two.",
        "`sorted(positions, reverse=True)[majority - 1]`",
    ),
    wrong=(
        Wrong(
            "Entry 7 is on two of three",
            "sorted(positions, reverse=True)[needed - 1]",
            "max(positions)",
            tip="one member is enough in yours: that is write concern 1.",
        ),
        Wrong(
            "Entry 7 is on two of three",
            "sorted(positions, reverse=True)[needed - 1]",
            "min(positions)",
            tip="all members must have it in yours, so the slowest decides.",
        ),
        Wrong(
            "majority of four is three",
            "len(positions) // 2 + 1",
            "(len(positions) + 1) // 2",
            tip="with an even number, half of the members is enough in yours.",
        ),
        Wrong(
            "may be rolled back",
            "sorted(positions, reverse=True)[needed - 1]",
            "positions[needed - 1]",
            tip="the positions are not sorted before they are counted.",
        ),
    ),
    after="MongoDB calls this the majority commit point.",
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
    return (
        both + c.some(0, 3, lambda: c.pick("abx")),
        both + c.some(0, 3, lambda: c.pick("aby")),
    )


_ROLLBACK = Function(
    id="13.4",
    title="What is rolled back?",
    statement="""A primary was cut off, and another was elected. `old` is the log of writes of
        the first, `new` that of the second; they begin alike. When the old one comes back, it
        must take back all that stands in its log behind the place where the two part. Write
        `rolled_back(old, new)`: the list of those writes, in order.""",
    starter="""
        def rolled_back(old, new):
            return [write for write in old if write not in new]
    """,
    kind="mend",
    reference=rolled_back,
    cases=(
        Case((["a", "b", "c"], ["a", "b"]), "one write that nobody had copied", "`c` is lost."),
        Case(
            (["a", "b"], ["a", "b", "d", "e"]),
            "an old primary that is only behind",
            "It has nothing of its own, so it only catches up.",
        ),
        Case(
            (["a", "x", "y"], ["a", "b"]),
            "two writes against another one",
            "The logs part after `a`.",
        ),
        Case(
            (["a", "x", "b"], ["a", "b"]),
            "the same write in both logs, but at other places",
            """Behind the place where the logs part, all goes, even a `b` that the other has
                too: it is another entry.""",
        ),
        Case(
            (["a", "x", "c"], ["a", "y", "c"]),
            "two logs that part, and agree again by chance",
            "What follows after the parting was written on another history: it goes, too.",
        ),
        Case(([], ["a"]), "an empty old log", "Nothing to take back."),
    ),
    make=_logs,
    hints=(
        "Compare the logs entry by entry, from the start, until they differ.",
        "`zip(old, new)` gives the pairs; `old[common:]` is what is left.",
    ),
    wrong=(
        Wrong(
            "even a `b`",
            whole="""
                def rolled_back(old, new):
                    return [write for write in old if write not in new]
            """,
            tip="writes that stand somewhere in the other log are kept, wherever that is.",
        ),
        Wrong(
            "agree again by chance",
            "break",
            "continue",
            tip="equal entries behind the parting still count as common.",
        ),
        Wrong(
            "only catches up",
            "return old[common:]",
            "return old[common:] or new[common:]",
            tip="what the old one has missed is no rollback: it is copied.",
        ),
        Wrong(
            "is lost",
            "return old[common:]",
            "return new[common:]",
            tip="the new primary's writes stay; the old one's go.",
        ),
    ),
    after="Whoever had an ack for these with write concern 1 was promised too much.",
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


def _failing_over(function: Callable[..., Any], outcomes: list[str]) -> tuple[Any, int]:
    """A server that fails before it stores, or after; the answer, and how much is stored."""
    stored: dict[str, int] = {}
    plan = list(outcomes)
    ids = itertools.count(1)

    def send(client_msg_id: str, text: str) -> int:
        outcome = plan.pop(0) if plan else "works"
        if outcome == "not stored":
            raise StoreUnavailable("no primary")
        seq = stored.setdefault(client_msg_id, len(stored) + 1)
        if outcome == "ack lost":
            raise StoreUnavailable("the connection broke")
        return seq

    answer = function(send, "Hello", lambda: f"m{next(ids)}")
    return answer, len(stored)


_RETRY = Function(
    id="13.5",
    title="Send again, but only once",
    kind="mend",
    statement="""While a new primary is elected, `send(client_msg_id, text)` raises
        `StoreUnavailable`. The message may have been stored or not: the client cannot know.
        Mend `send_until_stored(send, text, new_id)`: try again until it works, and give back
        the number; the message must be stored exactly once. `new_id()` makes a fresh
        `client_msg_id`. (You see how the tries end, and how many messages are stored.)""",
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
        Case(([],), "no failure", "One try, one message."),
        Case(
            (["not stored"],),
            "the first try is not stored",
            "Try again when `StoreUnavailable` was raised.",
        ),
        Case(
            (["ack lost"],),
            "the first try is stored, but the answer is lost",
            "The same `client_msg_id` in each try lets the store see that it is the same message.",
        ),
        Case(
            (["not stored", "ack lost", "ack lost", "not stored"],),
            "four failures of both sorts",
            "However often: one message, one id.",
        ),
    ),
    make=lambda c: (c.some(0, 5, lambda: c.pick(("not stored", "ack lost"))),),
    hints=(
        "How many ids does one message need?",
        "Call `new_id()` before the loop.",
    ),
    wrong=(
        Wrong(
            "same `client_msg_id`",
            "return send(client_msg_id, text)",
            "return send(new_id(), text)",
            tip="each try has an id of its own, so each counts as a new message.",
        ),
        Wrong(
            "StoreUnavailable",
            whole="""
                def send_until_stored(send, text, new_id):
                    return send(new_id(), text)
            """,
            tip="it tries once only.",
        ),
        Wrong(
            "Try again",
            whole="""
                from goim_edu.store import StoreUnavailable

                def send_until_stored(send, text, new_id):
                    try:
                        return send(new_id(), text)
                    except StoreUnavailable:
                        return 0
            """,
            tip="after a failure it gives up, and says 0.",
        ),
        Wrong(
            "However often",
            whole="""
                from goim_edu.store import StoreUnavailable

                def send_until_stored(send, text, new_id):
                    client_msg_id = new_id()
                    try:
                        return send(client_msg_id, text)
                    except StoreUnavailable:
                        return send(client_msg_id, text)
            """,
            tip="it tries twice, and an election takes longer than that.",
        ),
    ),
    after="pymongo itself retries a write once; after that, this is what is left to do.",
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
    title="Acknowledged, and lost",
    statement="""`lost_after_kill(write_concern, lag)` is a model: 100 writes, then the primary
        is killed while the secondaries are `lag` writes behind. It gives how many writes had
        been acknowledged, and how many of *those* are lost. How many are lost with lags of 0, 5
        and 20? The answer is a dictionary, `"1"` and `"majority"` -> list of three numbers.""",
    starter=code("""
        from goim_edu.exercises.chapter_13 import lost_after_kill

        answer = {}
        for write_concern in ("1", "majority"):
            answer[write_concern] = [lost_after_kill(write_concern, lag) for lag in (0, 5, 20)]
    """),
    solution=code("""
        from goim_edu.exercises.chapter_13 import lost_after_kill

        answer = {}
        for write_concern in ("1", "majority"):
            answer[write_concern] = [lost_after_kill(write_concern, lag)[1] for lag in (0, 5, 20)]
    """),
    judge=_judge_lost,
    wrong=(
        ({"1": [100, 100, 100], "majority": [100, 95, 80]}, "what was *lost*"),
        ({"1": [0, 5, 20], "majority": [0, 5, 20]}, "The lags are"),
        ({"1": [(100, 0), (100, 5), (100, 20)], "majority": [0, 0, 0]}, "pairs"),
        ({"1": 25, "majority": 0}, "a list of three numbers"),
        ([0, 5, 20], "dictionary"),
    ),
    hints=(
        "The function gives a pair; the second number is asked for.",
        "`lost_after_kill(write_concern, lag)[1]`",
    ),
    after="""With majority nothing that was acknowledged is lost. The price is waiting for the
        copies.""",
)

# ---------------------------------------------------------------------- 13.7

_STALE = Predict(
    id="13.7",
    title="Reading from a secondary",
    statement="""The notes say that secondaries serve reads. Somebody writes a message, has the
        ack, and reads the room at once with read preference `secondary`. Is the message there?""",
    options=(
        Option(
            "Yes: acknowledged means on all members.",
            "Acknowledged means on a majority, at most. The secondary that is asked may be behind.",
        ),
        Option(
            "No: secondaries never serve reads.",
            "They do, if the read preference allows it. The default is the primary.",
        ),
        Option(
            "Perhaps: a secondary may be behind, and what it gives may be stale.",
            "So read scaling by secondaries is for what may be a little old.",
            right=True,
        ),
        Option(
            "No: a read preference is only for reports.",
            "It may be set for each read, whatever it is for.",
        ),
    ),
    source='MongoDB manual, "Read Preference".',
    hints=(
        "When does a secondary copy a write: before or after the ack?",
        "A majority of three is two. Which is the third?",
    ),
)

EXERCISES: tuple[Exercise, ...] = (
    _MAJORITY,
    _FOURTH,
    _COMMITTED,
    _ROLLBACK,
    _RETRY,
    _LOST,
    _STALE,
)
