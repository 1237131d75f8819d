"""The colours of every picture: legible on paper and on each other."""

from __future__ import annotations

from goim_edu.palette import OKABE_ITO, ROLES, THEMES, contrast, ink_on


def test_the_palette_is_legible() -> None:
    for role, colour in ROLES.items():
        assert contrast(colour, ink_on(colour)) >= 4.5, role
    for theme in THEMES.values():
        assert contrast(theme["ink"], theme["paper"]) >= 12
        assert contrast(theme["faint"], theme["paper"]) >= 4.5
    assert set(ROLES.values()) <= set(OKABE_ITO.values())
