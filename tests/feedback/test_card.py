"""Cards: the same content as HTML, as Markdown and as text."""

from __future__ import annotations

from goim_edu.draw import wrong_bit
from goim_edu.feedback.card import Card


def test_a_card_shows_itself_as_html_markdown_and_text() -> None:
    card = Card("a < b", passed=False).say("use `x < y`").code("if x < y:\n    pass")
    card.table([("one", "`1 | 2`")], head=("name", "value")).draw(wrong_bit.compare(b"a", b"b"))
    bundle = card._repr_mimebundle_()
    assert bundle["text/plain"] == repr(card)
    html = bundle["text/html"]
    assert 'role="status" aria-label="✗ a &lt; b"' in html
    assert "<code>x &lt; y</code>" in html
    assert "<th scope='col'>name</th>" in html
    assert "`1 \\| 2`" in card.markdown()
    assert "```python\nif x < y:\n    pass\n```" in card.markdown()
    assert not card


def test_a_card_without_a_verdict_is_markdown() -> None:
    bundle = Card("hint").say("").say("one")._repr_mimebundle_()
    assert bundle == {"text/markdown": "**hint**\n\none", "text/plain": "hint\none"}


def test_colours_repeat_what_signs_say() -> None:
    assert Card("x", passed=True).title == "✓ x"
    assert Card("x", passed=False).title == "✗ x"
    assert Card("x").title == "x"


def test_words_below_code_do_not_stick_to_it() -> None:
    html = Card("x", passed=True).code("pass").say("below")._repr_mimebundle_()["text/html"]
    assert '<pre style="margin-bottom:1em"><code>pass</code></pre><p>below</p>' in html
