"""Limits: a bound of nothing would refuse all."""

from __future__ import annotations

from typing import Any

import pytest

from goim_edu.websocket.limits import Limits


@pytest.mark.parametrize(
    "bounds",
    [
        {"max_frame_size": 124},
        {"max_message_size": 0},
        {"max_fragments": 0},
        {"max_pending_control": 0},
    ],
)
def test_limits_that_limit_all(bounds: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(bounds))):
        Limits(**bounds)


def test_the_least_is_enough() -> None:
    assert Limits(125, 1, 1, 1).max_frame_size == 125
