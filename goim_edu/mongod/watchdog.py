"""A small process between us and mongod: when we end, however we end, mongod ends.

It is run as a script and imports nothing of ours. Its standard input is a pipe that only we hold:
the kernel closes it when our process dies, also by ``kill -9`` or a crashed notebook kernel, and
the watchdog then asks mongod to stop. (A parent-death signal on mongod itself would fire when the
*thread* that started it ends, prctl(2), which is too soon in a program with threads. The watchdog
has one thread, so it can use that signal for mongod, in case the watchdog itself is killed.)

It also holds a lock on the data folder for as long as mongod runs, and writes into the lock file
the process id of that process. First line on standard output: a JSON object, ``{"pid": ...}`` or
``{"error": ...}``.

Usage: watchdog.py LOCKFILE CONSOLE MONGOD ARGUMENT...
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import json
import os
import select
import signal
import subprocess
import sys
import time

STOP_SECONDS = 30.0
PR_SET_PDEATHSIG = 1


def main() -> int:
    """Lock the folder, start mongod, watch it; return its exit code."""
    lock_file, console, *command = sys.argv[1:]
    parent = os.getppid()
    lock = os.open(lock_file, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        holder = os.read(lock, 32).decode("ascii", "replace").strip()
        return say({"error": "locked", "holder": holder})
    os.ftruncate(lock, 0)
    os.write(lock, b"%d\n" % parent)
    # Without a handler of its own SIGCHLD would not wake the select below.
    awake, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    try:
        with open(console, "wb") as output:
            child = subprocess.Popen(  # noqa: S603 - the command is our own parent's
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                preexec_fn=die_with_watchdog if sys.platform == "linux" else None,
            )
    except OSError as error:
        name = errno.errorcode.get(error.errno or 0, "")
        return say({"error": "start", "errno": name, "text": os.strerror(error.errno or 0)})
    say({"pid": child.pid})
    return watch(child, parent, awake)


def say(what: dict[str, object]) -> int:
    """Print one line for the parent; return 3, the exit code of a failed start."""
    print(json.dumps(what), flush=True)
    return 3


def die_with_watchdog() -> None:
    """In the child, before exec: let the kernel send SIGTERM when the watchdog dies (prctl(2))."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def watch(child: subprocess.Popen[bytes], parent: int, awake: int) -> int:
    """Wait until mongod ends, or until the parent is gone, and then end mongod."""
    while child.poll() is None:
        ready, _, _ = select.select([sys.stdin.fileno(), awake], [], [], 1.0)
        gone = sys.stdin.fileno() in ready and not os.read(sys.stdin.fileno(), 64)
        if gone or os.getppid() != parent:
            stop(child)
        elif awake in ready:
            os.read(awake, 64)
    return child.returncode


def stop(child: subprocess.Popen[bytes]) -> None:
    """Ask mongod to end; SIGCONT, so that a stopped one hears it; SIGKILL when it does not."""
    child.send_signal(signal.SIGTERM)
    child.send_signal(signal.SIGCONT)
    deadline = time.monotonic() + STOP_SECONDS
    while child.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    if child.poll() is None:
        child.kill()
        child.wait()


if __name__ == "__main__":
    sys.exit(main())
