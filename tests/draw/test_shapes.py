"""What many pictures are made of: a text that is cut fits, rows left out are marked."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from goim_edu.draw.shapes import fit, rows_shown
from goim_edu.draw.svg import text_width
from goim_edu.printable import printable


@given(st.text(alphabet="iIl.mW好é\n", max_size=60), st.integers(20, 200))
def test_a_line_that_is_cut_is_as_long_as_it_can_be(content: str, width: int) -> None:
    shown = fit(content, width)
    whole = printable(content)
    if text_width(whole, 12) <= width:
        assert shown == whole
    else:
        assert shown[:-1] + shown[-1] == whole[: len(shown) - 1] + "…"
        assert text_width(shown, 12) <= width or shown == "…"
        assert text_width(whole[: len(shown)] + "…", 12) > width


def test_fitting_does_not_take_longer_for_longer_texts() -> None:
    assert fit("m" * 5_000_000, 100) == fit("m" * 50, 100)


@given(st.integers(1, 10_000), st.integers(2, 20))
def test_rows_left_out_are_marked_once(total: int, limit: int) -> None:
    rows = rows_shown(total, limit)
    numbers = [row for row in rows if row is not None]
    assert numbers == sorted(set(numbers))
    assert numbers[0] == 0
    assert numbers[-1] == total - 1
    assert len(numbers) in (total, limit)
    assert rows.count(None) == (len(numbers) < total)
