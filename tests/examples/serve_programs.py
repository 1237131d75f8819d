"""Programs of ``docs/examples`` that serve, each in a process of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.examples.counting import ROOT


@contextlib.contextmanager
def program(path: Path, *arguments: str) -> Iterator[str]:
    """Run it; gives the first line that it prints, its address. Ctrl-C must end it."""
    command = [sys.executable, str(path), *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        env=environment,
        # A run in the background ignores Ctrl-C, and its children would, too.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().decode().strip()
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(30)
    # Programs of ours come to an end; some peers raise KeyboardInterrupt.
    ours = "peers" not in path.parts
    assert process.returncode in ((0,) if ours else (-signal.SIGINT, 1, 130))
