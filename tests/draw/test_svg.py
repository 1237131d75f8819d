"""SVG as text: widths and line breaks."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from goim_edu.draw.svg import text_width, wrap


@given(st.text(max_size=60), st.floats(20, 200))
def test_wrapped_lines_fit_and_lose_nothing(content: str, width: float) -> None:
    lines = wrap(content, 12, width)
    assert "".join("".join(lines).split()) == "".join(content.split())
    assert all(text_width(line, 12) <= width or len(line) == 1 for line in lines)
