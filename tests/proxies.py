"""nginx, HAProxy and Apache, started with the configurations of docs/operations.md."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Final, Self

import trustme

from tests.conftest import require

DOCUMENT: Final = Path(__file__).resolve().parent.parent / "docs" / "operations.md"
NAME: Final = "chat.example.com"
BACKEND: Final = "127.0.0.1:8765"
OTHERS: Final = ("127.0.0.1:8766", "127.0.0.1:8767")
START_TIMEOUT: Final = 20.0  # seconds until it accepts
LANGUAGES: Final = {"nginx": "nginx", "haproxy": "haproxy", "apache2": "apache"}
MODULES: Final = (
    *("mpm_event", "authz_core", "headers", "proxy", "proxy_http", "socache_shmcb", "ssl"),
)


def block(language: str, *, several: bool = False) -> str:
    """The code block of this language in the document, for one server or for several."""
    found = re.findall(rf"^```{language}\n(.*?)^```", DOCUMENT.read_text("utf-8"), re.S | re.M)
    assert len(found) == 1 + (language != "apache")
    return str(found[several])


def find(program: str) -> str:
    """The path of a program; skips the test if it is not there."""
    path = shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin")
    require(path, program, f"apt install {program}")
    assert path
    return path


def free_ports(number: int) -> list[int]:
    """Ports of the loopback address that nothing listens on."""
    links = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [link.getsockname()[1] for link in links]
    for link in links:
        link.close()
    return ports


class Proxy:
    """A proxy of the document on two free ports, as the user who runs the tests.

    Args:
        program: ``nginx``, ``haproxy`` or ``apache2``.
        folder: for its files.
        backend: the port of our server.
        change: what else stands in place of what in its configuration.
        others: the ports of two more servers.

    Attributes:
        plain, tls: its ports.
        authority: what its certificate is signed with.
    """

    def __init__(
        self,
        program: str,
        folder: Path,
        backend: int,
        change: dict[str, str] | None = None,
        others: tuple[int, int] | None = None,
    ) -> None:
        self.program = program
        self.path = find(program)
        self.folder = folder
        self.plain, self.tls = free_ports(2)
        self.authority = trustme.CA()
        issued = self.authority.issue_cert(NAME, "127.0.0.1")
        chain = b"".join(pem.bytes() for pem in issued.cert_chain_pems)
        (folder / "chat.pem").write_bytes(chain)
        (folder / "chat.key").write_bytes(issued.private_key_pem.bytes())
        (folder / "chat.both.pem").write_bytes(chain + issued.private_key_pem.bytes())
        if others is not None:
            more = zip(OTHERS, others, strict=True)
            change = (change or {}) | {old: f"127.0.0.1:{new}" for old, new in more}
        text = block(LANGUAGES[program], several=others is not None)
        self._config = self._filled_in(text, backend, change or {})
        self._log = folder / "proxy.log"

    def _filled_in(self, text: str, backend: int, change: dict[str, str]) -> str:
        """The configuration with the places and ports of this test."""
        places = {
            "nginx": {"listen 80;": f"listen 127.0.0.1:{self.plain};"}
            | {"listen 443 ssl;": f"listen 127.0.0.1:{self.tls} ssl;"},
            "haproxy": {"bind :80": f"bind 127.0.0.1:{self.plain}"}
            | {"bind :443 ": f"bind 127.0.0.1:{self.tls} "},
            "apache2": {"<VirtualHost *:443>": f"<VirtualHost 127.0.0.1:{self.tls}>"},
        }[self.program]
        places |= {"/etc/ssl/": f"{self.folder}/", BACKEND: f"127.0.0.1:{backend}"} | change
        for old, new in places.items():
            assert old in text, old
            text = text.replace(old, new)
        return text

    def _command(self) -> tuple[str, list[str]]:
        """What stands around the configuration, and how to start it in the foreground."""
        folder, root = self.folder, os.geteuid() == 0
        file = str(folder / "conf")
        if self.program == "nginx":
            user = "user root;\n" if root else ""
            kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
            paths = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in kinds)
            head = f"{user}daemon off;\npid {folder}/pid;\nevents {{}}\nhttp {{\naccess_log off;\n"
            return f"{head}{paths}{self._config}}}\n", ["-e", "stderr", "-c", file]
        if self.program == "haproxy":
            return f"global\n    stats socket {folder}/stats\n\n{self._config}", ["-db", "-f", file]
        lines = [
            f"LoadModule {one}_module /usr/lib/apache2/modules/mod_{one}.so" for one in MODULES
        ]
        lines += [f"{name} {folder}" for name in ("ServerRoot", "DefaultRuntimeDir")]
        lines += [f"Listen 127.0.0.1:{port}" for port in (self.plain, self.tls)]
        lines += [f"ServerName {NAME}", "PidFile pid", "ErrorLog /dev/stderr"]
        lines += ["User www-data", "Group www-data"] if root else []
        return "\n".join([*lines, self._config]), ["-DFOREGROUND", "-f", file]

    def __enter__(self) -> Self:
        config, options = self._command()
        (self.folder / "conf").write_text(config)
        with self._log.open("wb") as log:
            command = [self.path, *options]
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder)
        end = time.monotonic() + START_TIMEOUT
        while not all(listens(port) for port in (self.plain, self.tls)):
            if time.monotonic() > end or self._process.poll() is not None:
                self.__exit__()
                raise AssertionError(f"{self.program} did not start:\n{self._log.read_text()}")
            time.sleep(0.02)
        return self

    def __exit__(self, *exc: object) -> None:
        self._process.terminate()
        self._process.wait(START_TIMEOUT)

    def stats(self) -> dict[str, str]:
        """What HAProxy says of its server."""
        with socket.socket(socket.AF_UNIX) as link:
            link.connect(str(self.folder / "stats"))
            link.sendall(b"show stat\n")
            lines = link.makefile().read().strip().splitlines()
        names = lines[0].lstrip("# ").split(",")
        rows = [dict(zip(names, line.split(","), strict=True)) for line in lines[1:]]
        (row,) = (row for row in rows if row["svname"] == "one")
        return row


def listens(port: int) -> bool:
    """Whether anything listens on this port."""
    with socket.socket() as link:
        return link.connect_ex(("127.0.0.1", port)) == 0
