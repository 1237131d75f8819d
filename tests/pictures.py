"""What every picture has to be, whatever it shows."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from goim_edu.draw import Picture
from goim_edu.draw.picture import Theme

SVG = "{http://www.w3.org/2000/svg}"
THEMES: tuple[Theme, ...] = ("auto", "light", "dark")


def root_of(picture: Picture) -> ET.Element:
    return ET.fromstring(picture.svg())


def texts(picture: Picture) -> list[str]:
    """Every line of text in it, in the order of drawing."""
    return [node.text or "" for node in root_of(picture).iter(f"{SVG}text")]


def check_picture(picture: Picture) -> None:
    """Well-formed in each theme, named, told in words, and inside its frame."""
    for theme in THEMES:
        root = ET.fromstring(picture.svg(theme))
        assert root.attrib["role"] == "img"
        assert root.attrib["aria-label"] == picture.alt
    assert len(picture.alt) > 20
    assert picture.alt.isprintable() or "\n" in picture.alt
    assert picture.title
    assert "nan" not in picture.svg()
    for node in root_of(picture).iter():
        assert 0 <= float(node.attrib.get("x", "0").rstrip("%")) <= picture.width, node.attrib
        assert 0 <= float(node.attrib.get("y", "0").rstrip("%")) <= picture.height, node.attrib
