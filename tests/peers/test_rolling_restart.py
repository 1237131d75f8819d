"""Three servers behind HAProxy and nginx, as docs/operations.md has them, are restarted in turn.

Twelve clients chat through the proxy meanwhile. Nothing may be lost, doubled, or out of order.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from goim_edu.lab.server_process import ServerProcess
from goim_edu.mongod import LocalReplicaSet
from tests.cluster.processes import PATIENCE, wait_for_peers
from tests.proxies import Proxy
from tools.nemesis import OPTIONS, read_majority, run_chat


@pytest.mark.timeout(180)
@pytest.mark.parametrize("program", ["haproxy", "nginx"])
def test_a_rolling_restart_loses_nothing(
    program: str, replica_set: LocalReplicaSet, tmp_path: Path
) -> None:
    options = (*OPTIONS, "--trusted-proxy", "127.0.0.1")
    with ExitStack() as running:
        servers = [
            running.enter_context(ServerProcess(tmp_path / name, replica_set.uri, *options))
            for name in ("one", "two", "three")
        ]
        first, second, third = (server.port for server in servers)
        proxy = running.enter_context(Proxy(program, tmp_path, first, others=(second, third)))
        wait_for_peers(servers)

        def restart_all() -> None:
            for server in servers:
                time.sleep(1.5)
                assert server.stop(PATIENCE) == 0
                server.start()
                wait_for_peers(servers)
            time.sleep(1.5)

        async def harm() -> None:
            await asyncio.to_thread(restart_all)

        urls = [f"ws://127.0.0.1:{proxy.plain}/chat"]
        outcome = asyncio.run(run_chat(urls, 1, harm, read_majority(replica_set.uri)))
        assert outcome.good, str(outcome)
        assert len(outcome.stored) > 500
