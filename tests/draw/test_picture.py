"""A picture shows itself, says in words what it shows, and saves itself."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from goim_edu import draw
from goim_edu.draw.picture import Theme
from tests.pictures import SVG

HELLO = bytes.fromhex("810548656c6c6f")
BROKEN = bytes.fromhex("c10548656c6c6f")


def test_a_picture_shows_itself_inline_and_in_words() -> None:
    picture = draw.frame(HELLO)
    bundle = picture._repr_mimebundle_()
    assert bundle["text/html"] == picture.html()
    assert bundle["text/plain"] == picture.alt
    assert draw.frame(HELLO)._repr_mimebundle_() == bundle, "must be stable"


@pytest.mark.parametrize("alt", ['a filter {"room_id": 7}', "a 'b' \"c\" <d> & e", "two\nlines"])
def test_the_words_stand_in_double_quotes_whatever_they_quote(alt: str) -> None:
    svg = draw.Picture("", 10, 10, title="words", alt=alt).svg()
    assert 'aria-label="' in svg
    assert ET.fromstring(svg).get("aria-label") == alt


@pytest.mark.parametrize("theme", ["auto", "light", "dark"])
def test_every_style_rule_stays_inside_the_picture(theme: Theme) -> None:
    picture = draw.frame(HELLO)
    root = ET.fromstring(picture.svg(theme))
    style = root.find(f"{SVG}style")
    assert style is not None
    check_rules(style.text or "")
    check_rules("".join(re.findall("<style>(.*?)</style>", picture.html())))


def check_rules(style: str) -> None:
    flat = re.sub(r"@\w+ ?\([^{]*\)\{((?:[^{}]*\{[^{}]*\})*)\}", r"\1", style)
    for rule in flat.split("}")[:-1]:
        selectors = re.sub(r":is\([^)]*\)", ":is()", rule.split("{")[0]).split(",")
        assert all(".goim" in selector for selector in selectors), rule


def test_a_picture_that_fits_has_a_drawing_for_each_width() -> None:
    html = draw.frame(HELLO).html()
    assert html.startswith('<div class="goim goim-fit" role="img" aria-label="Text frame')
    drawings = re.findall(r"<svg .*?</svg>", html)
    assert [">31</text>" in one for one in drawings] == [True, False, False]
    assert [">15</text>" in one for one in drawings] == [True, True, False]
    assert [">7</text>" in one for one in drawings] == [True, True, True]
    for one in drawings:
        bits = re.findall(r'<text x="[\d. ]+" y="[\d.]+" class="t m mid"[^>]*>([01]+)</text>', one)
        assert "".join(bits) == "".join(f"{octet:08b}" for octet in HELLO)


def test_a_picture_that_fits_is_hardly_longer_than_one_that_does_not() -> None:
    for data in (HELLO, BROKEN, bytes(200)):
        picture = draw.frame(data)
        assert len(picture.html()) <= 1.3 * len(picture.svg()) + 4000


def test_saving(tmp_path: Path) -> None:
    picture = draw.frame(BROKEN)
    assert ET.parse(picture.save(tmp_path / "frame.svg")).getroot().tag == f"{SVG}svg"
    png = picture.save(tmp_path / "frame.png").read_bytes()
    assert png.startswith(b"\x89PNG")
    assert int.from_bytes(png[16:20]) == round(picture.width * 2)
    with pytest.raises(ValueError, match=r"use \.svg or \.png"):
        picture.save(tmp_path / "frame.gif")
