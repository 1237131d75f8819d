"""The night in which a primary dies: somebody talks all the time, and we note what happens."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from itertools import pairwise
from secrets import token_hex
from time import monotonic
from typing import Final

from goim_edu.mongod import LocalMongod, LocalReplicaSet

__all__ = ["Night", "kill_while_talking"]

_PAUSE: Final = 0.02  # seconds between two messages
_MORE: Final = 30  # messages that must be acknowledged after the kill
_PATIENCE: Final = 90.0  # seconds for the whole night

Roles = list[tuple[float, dict[str, str]]]


@dataclass
class Night:
    """What happened while a primary died; times are those of ``time.monotonic``.

    Args:
        killed: the member that died; it stays dead until it is started again.
        moment: when it was killed.
        roles: the roles of all members over time, for ``draw.replica_roles``.
        sent: the texts that were acknowledged, in their order.
        acks: when each of them was.
    """

    killed: LocalMongod
    moment: float
    roles: Roles
    sent: list[str] = field(default_factory=list)
    acks: list[float] = field(default_factory=list)

    @property
    def longest_wait(self) -> float:
        """Seconds between the two acknowledgements that were farthest apart."""
        return max(later - earlier for earlier, later in pairwise(self.acks))


async def kill_while_talking(
    members: LocalReplicaSet, say: Callable[[str], Awaitable[object]], *, countdown: int = 5
) -> Night:
    """Kill the primary with ``kill -9`` while somebody talks, and go on until all is well again.

    A member that is dead from the last time is started first. It prints the seconds until the
    kill, so that you can type in a chat meanwhile.

    Args:
        members: the replica set.
        say: says a text, and waits until it is acknowledged.
        countdown: seconds until the kill.

    Returns:
        What happened.

    Raises:
        TimeoutError: after the kill the talk did not go on; the words say how far it came.
        StoreUnavailable: nobody was elected.

        night = await kill_while_talking(rs, lambda text: kim.send("lobby", text))
    """
    await asyncio.to_thread(members.restart_all)
    sent: list[str] = []
    acks: list[float] = []
    try:
        async with (
            asyncio.timeout(_PATIENCE),
            _talking(say, sent, acks),
        ):
            with members.recorded() as roles:
                for second in range(countdown, 0, -1):
                    print(f"The primary dies in {second} s: type!", flush=True)
                    await asyncio.sleep(1)
                killed = await asyncio.to_thread(members.kill, "primary")
                moment, before = monotonic(), len(acks)
                print("kill -9. Go on typing!", flush=True)
                await asyncio.to_thread(members.wait_for_primary)
                print(f"A new primary after {monotonic() - moment:.1f} s.", flush=True)
                while len(acks) < before + _MORE:  # noqa: ASYNC110 - the picture is what we wait for
                    await asyncio.sleep(0.1)
    except TimeoutError:
        raise TimeoutError(
            f"waited {_PATIENCE:.0f} s for {_MORE} messages after the kill; "
            f"{len(acks)} were acknowledged in all: run members.restart_all()"
        ) from None
    return Night(killed, moment, roles, sent, acks)


@contextlib.asynccontextmanager
async def _talking(
    say: Callable[[str], Awaitable[object]], sent: list[str], acks: list[float]
) -> AsyncIterator[None]:
    """Say something all the time while the block runs."""
    name = token_hex(2)  # no other night has the same texts

    async def talk() -> None:
        while True:
            text = f"message {len(acks) + 1} of night {name}"
            await say(text)
            sent.append(text)
            acks.append(monotonic())
            await asyncio.sleep(_PAUSE)

    talking = asyncio.create_task(talk())
    try:
        yield
    finally:
        talking.cancel()
        # Its error is taken out here, or asyncio would tell of it when it is long forgotten.
        await asyncio.gather(talking, return_exceptions=True)
