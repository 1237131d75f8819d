"""Changed solutions that pass since they do the same in every input that the task allows."""

from __future__ import annotations

from typing import Final

__all__ = ["EQUIVALENT"]

EQUIVALENT: Final[dict[str, dict[str, str]]] = {}
"""Number of an exercise -> what was changed -> why this changes nothing (chapters 01 to 08)."""
