"""waiting_for: a wait with an end, which says what did not come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

__all__ = ["waiting_for"]


@asynccontextmanager
async def waiting_for(what: str, *, seconds: float = 20) -> AsyncIterator[None]:
    """Wait in the block, but not for ever: then say what was waited for, and what to do.

    Args:
        what: what should come, as a sentence needs it, such as ``"ack"``.
        seconds: how long the block may take.

    Raises:
        TimeoutError: it took longer.

    >>> async def hear():
    ...     async with waiting_for("ack", seconds=0.01):
    ...         await asyncio.sleep(60)
    >>> asyncio.run(hear())
    Traceback (most recent call last):
    TimeoutError: no ack came in 0.01 s; did you run this cell twice? Run the cells from the ...
    """
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise TimeoutError(
            f"no {what} came in {seconds:g} s; did you run this cell twice? "
            "Run the cells from the beginning of the section once more."
        ) from None
