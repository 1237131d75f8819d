"""What waits for a slow reader: its order, its portions, what of it is dropped."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from goim_edu.transport.slow_reader import PORTION, SlowReader


def test_what_waits_is_taken_in_order_and_in_portions() -> None:
    slow = SlowReader()
    for number in range(5):
        slow.hold(b"%d" % number * (PORTION // 2), droppable=False)
    taken = []
    while slow.size:
        taken.append(slow.take())
    assert b"".join(taken) == b"".join(b"%d" % n * (PORTION // 2) for n in range(5))
    assert [len(piece) for piece in taken] == [PORTION, PORTION, PORTION // 2]
    assert slow.take() == b""


@given(
    st.lists(st.tuples(st.binary(min_size=1, max_size=9), st.booleans())),
    st.integers(-5, 100),
)
def test_only_droppable_pieces_are_dropped_and_no_more_than_needed(
    pieces: list[tuple[bytes, bool]], excess: int
) -> None:
    slow = SlowReader()
    for data, droppable in pieces:
        slow.hold(data, droppable)
    size = slow.size
    dropped = slow.drop(excess)
    expected = list(pieces)
    gone = 0
    while gone < excess and any(droppable for _, droppable in expected):
        oldest = next(i for i, (_, droppable) in enumerate(expected) if droppable)
        gone += len(expected.pop(oldest)[0])
    assert dropped == len(pieces) - len(expected)
    assert slow.size == size - gone
    assert slow.take() == b"".join(data for data, _ in expected)


def test_a_slow_reader_that_reads_is_told_from_one_that_stopped() -> None:
    slow = SlowReader()
    assert slow.reads_on(1000)  # there was nothing to compare it with
    assert slow.reads_on(999)
    assert not slow.reads_on(999)
    assert not slow.reads_on(1000)


def test_nothing_is_left_after_it_was_given_up() -> None:
    slow = SlowReader()
    slow.hold(b"a", droppable=False)
    slow.clear()
    assert (slow.size, slow.take()) == (0, b"")
