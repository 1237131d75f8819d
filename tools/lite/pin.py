"""Pin what runs in the browser: names, versions and hashes of the wheels, without addresses."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from packaging.utils import parse_wheel_filename

from tools.lite.parts import HERE, PLATFORM, PYTHON, ROOT


def pin() -> None:
    """Write ``browser.txt`` and ``pure.txt`` anew; versions that a learner's lock has are kept."""
    with tempfile.TemporaryDirectory() as folder:
        tags = ["--python-version", PYTHON, "--implementation", "cp", "--platform", PLATFORM]
        tags += ["--abi", "cp" + PYTHON.replace(".", ""), "--abi", "none", "--only-binary", ":all:"]
        _download(folder, *tags, "--no-deps", "-r", str(_wanted(Path(folder))))
        _write("browser.txt", Path(folder).glob("*.whl"))
    with tempfile.TemporaryDirectory() as folder:
        version = _locked()["pymongo"]
        plain = ["--no-deps", "--no-binary", "pymongo"]
        _download(folder, *plain, f"pymongo=={version}")
        _write("pure.txt", Path(folder).glob("*.tar.gz"))


def _locked() -> dict[str, str]:
    text = (ROOT / "locks" / "lab.txt").read_text()
    return dict(re.findall(r"^([\w.-]+)(?:\[.*?\])?==(\S+)", text, re.M))


def _wanted(folder: Path) -> Path:
    locked = _locked()
    names = [
        line
        for line in (HERE / "browser.in").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    path = folder / "wanted.in"
    path.write_text("".join(f"{n}=={locked[n]}\n" if n in locked else f"{n}\n" for n in names))
    return path


def _download(folder: str, *words: str) -> None:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*command, "--dest", folder, *words], check=True)


def _write(name: str, files: object) -> None:
    lines = []
    for file in sorted(files):  # type: ignore[call-overload]
        if file.suffix == ".whl":
            package, version, *_ = parse_wheel_filename(file.name)
        else:
            package, _, version = file.name.removesuffix(".tar.gz").rpartition("-")
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        lines.append(f"{package}=={version} \\\n    --hash=sha256:{digest}\n")
    (HERE / name).write_text("".join(lines))
    print(f"tools/lite/{name}: {len(lines)} pins")
