"""Keeps the lease of a server while it runs, beside its event loop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from goim_edu.cluster.lease import RENEW_EVERY, Lease, LeaseHeld
from goim_edu.errors import StoreError
from goim_edu.storage.mongodb_client import Database

__all__ = ["LeaseKeeper"]

log = logging.getLogger("goim_edu.cluster")

_PATIENCE: Final = 2.0  # seconds to give it back at the end


class LeaseKeeper:
    """Renews a lease every five seconds.

    Args:
        database: where the messages are.
        on_lost: is called, with words, when another server has it.

    """

    def __init__(self, database: Database, on_lost: Callable[[str], None]) -> None:
        self._url = ""
        self._lease = Lease(database)
        self._on_lost = on_lost
        self._renewing: asyncio.Task[None] | None = None

    async def take(self, url: str) -> None:
        """Take it, and keep it.

        Args:
            url: of the server.

        Raises:
            LeaseHeld: another server has it.
            StoreUnavailable: the database does not answer.
        """
        self._url = url
        await asyncio.to_thread(self._lease.take, url)
        self._renewing = asyncio.get_running_loop().create_task(self._renew())

    async def tell(self, url: str) -> None:
        """Say where the server is, now that this is known; if that fails it is said a little later.

        Args:
            url: of the server.
        """
        if url == self._url:
            return
        self._url = url
        try:
            await asyncio.to_thread(self._lease.take, url)
        except StoreError as error:
            log.warning("lease not renewed why=%r", str(error))

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(RENEW_EVERY)
            try:
                await asyncio.to_thread(self._lease.take, self._url)
            except LeaseHeld as error:
                self._on_lost(str(error))
                return
            except StoreError as error:
                log.warning("lease not renewed why=%r", str(error))

    async def give_back(self) -> None:
        """Let the next server have it."""
        if self._renewing is not None:
            self._renewing.cancel()
        giving = asyncio.create_task(asyncio.to_thread(self._lease.give_back))
        await asyncio.wait({giving}, timeout=_PATIENCE)
        if giving.done() and not giving.cancelled() and giving.exception() is not None:
            log.warning("lease not given back why=%r", str(giving.exception()))
