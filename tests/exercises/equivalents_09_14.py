"""As ``equivalents``, for the chapters 09 to 14."""

from __future__ import annotations

from typing import Final

__all__ = ["EQUIVALENT"]

EQUIVALENT: Final[dict[str, dict[str, str]]] = {}
"""Number of an exercise -> what was changed -> why this changes nothing."""
