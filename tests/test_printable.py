"""Text that shows every character."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from goim_edu.printable import printable


@given(st.text())
def test_printable_text_fits_into_xml(content: str) -> None:
    assert printable(content).isprintable()
