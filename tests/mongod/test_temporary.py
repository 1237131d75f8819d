"""Temporary folders and their processes are gone, however the kernel of a notebook ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from jupyter_client.manager import KernelManager

from goim_edu.mongod.temporary import new_temporary
from tests.conftest import require_mongod
from tests.mongod.test_mongod import until

CHAPTER = """
from goim_edu.lab import LiveServer
from goim_edu.mongod import LocalMongod, LocalReplicaSet
alone = LocalMongod(temporary=True).start()
live = LiveServer("local")
members = LocalReplicaSet(3).start()
members.members[2].kill()  # no watchdog is left to remove its folder
"""

ENDS: dict[str, Callable[[KernelManager], None]] = {
    "shutdown": lambda manager: manager.shutdown_kernel(),
    "shutdown at once": lambda manager: manager.shutdown_kernel(now=True),
    "restart": lambda manager: manager.restart_kernel(),
    "kill -9": lambda manager: os.kill(_pid(manager), signal.SIGKILL),
    "the process group": lambda manager: os.killpg(_pid(manager), signal.SIGKILL),
}


def _pid(manager: KernelManager) -> int:
    pid = getattr(manager.provisioner, "pid", None)
    assert isinstance(pid, int)
    return pid


@pytest.mark.parametrize("end", ENDS)
def test_nothing_is_left_when_a_kernel_ends(tmp_path: Path, end: str) -> None:
    require_mongod()
    folder = tmp_path / "temporary"
    folder.mkdir()
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel(env={**os.environ, "TMPDIR": str(folder)}, cwd=str(tmp_path))
    try:
        client = manager.blocking_client()
        client.start_channels()
        client.wait_for_ready(timeout=60)
        reply = client.execute(CHAPTER, reply=True, timeout=120)
        assert reply["content"]["status"] == "ok", reply["content"]
        ours = psutil.Process(_pid(manager)).children(recursive=True)
        assert {"mongod"} <= {process.name() for process in ours}
        assert len(list(folder.glob("goim-*"))) == 3
        client.stop_channels()
        ENDS[end](manager)
        until(lambda: not list(folder.glob("goim-*")), "the folders are gone", 90)
        until(lambda: not any(_lives(process) for process in ours), "no process is left", 90)
    finally:
        manager.shutdown_kernel(now=True)
        manager.cleanup_resources()


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_sweeper_that_was_killed_is_replaced(tmp_path: Path) -> None:
    program = """if True:
        import os, signal, sys
        from pathlib import Path
        from goim_edu.mongod import temporary
        temporary.temporary(Path(sys.argv[1], "first"))
        temporary._sweeper.kill()
        temporary._sweeper.wait()
        temporary.temporary(Path(sys.argv[1], "second"))
    """
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True, timeout=60)
    until(lambda: not (tmp_path / "second").exists(), "the folder is gone")


def test_each_process_has_a_folder_of_its_own() -> None:
    one, other = new_temporary("goim-test-"), new_temporary("goim-test-")
    assert one != other
    assert one.stat().st_mode & 0o777 == 0o700
    one.rmdir()
    other.rmdir()
