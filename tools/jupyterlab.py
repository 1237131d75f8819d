"""A JupyterLab of its own: a process with folders of its own, which knows nothing of the user's."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import time
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Self

__all__ = ["LabProcess"]

_LOOK: Final = 0.02  # seconds between two looks at whether it answers
_END: Final = 20.0  # seconds that it may take to end


class LabProcess:
    """JupyterLab on a free port of 127.0.0.1, without a browser.

    Args:
        command: what starts it; the options for port and token come behind.
        home: a folder for its settings, workspaces and run-time files.
        cwd: where it is started.
        variables: more of its environment.

    Attributes:
        base: its address, once it answers.
        token: what it wants to hear from those who ask.
        data: its folder of data.
    """

    def __init__(
        self,
        command: Sequence[str],
        home: Path,
        cwd: Path,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self.token = secrets.token_hex(8)
        self.base = ""
        self.data = home / "data"
        self._runtime = home / "runtime"
        self._log = home / "jupyterlab.log"
        folders = {
            "JUPYTER_CONFIG_DIR": home / "config",
            "JUPYTER_RUNTIME_DIR": self._runtime,
            "JUPYTER_DATA_DIR": self.data,
            "JUPYTERLAB_SETTINGS_DIR": home / "settings",
            "JUPYTERLAB_WORKSPACES_DIR": home / "workspaces",
            "IPYTHONDIR": home / "ipython",
        }
        options = ["--no-browser", "--allow-root", "--ServerApp.port=0"]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [*command, *options, f"--IdentityProvider.token={self.token}"],
                env={
                    **os.environ,
                    **(variables or {}),
                    **{name: str(folder) for name, folder in folders.items()},
                },
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=cwd,
            )

    def wait(self, seconds: float) -> Self:
        """Return itself once it answers.

        Raises:
            RuntimeError: it has ended, or took longer; the text has its log.
        """
        end = time.monotonic() + seconds
        while time.monotonic() < end and self._process.poll() is None:
            for path in self._runtime.glob("jpserver-*.json"):
                try:
                    self.base = f"http://127.0.0.1:{json.loads(path.read_text('utf-8'))['port']}"
                    with urllib.request.urlopen(f"{self.base}/api?token={self.token}", timeout=5):
                        return self
                except (OSError, ValueError):
                    continue  # not listening yet, or the file is half written
            time.sleep(_LOOK)
        self.stop()
        raise RuntimeError(f"JupyterLab did not start:\n{self._log.read_text('utf-8')}")

    def stop(self) -> None:
        """End the server and its kernels."""
        self._process.terminate()
        try:
            self._process.wait(_END)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
