"""Course, documents and API reference as one site, which needs no kernel and no network.

    python -m tools.site                 into build/site/
    python -m tools.site --to FOLDER
    python -m tools.site --url https://example.org/goim/    the address that it will have
    python -m tools.site --lite FOLDER   the browser edition that goes in, if it is there

Sphinx makes it with myst-nb and Furo; ``docs/site/`` has its settings. The outputs are those
that are saved in the notebooks. Nothing is loaded from elsewhere.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tools import site_sources

ROOT: Final = site_sources.ROOT
SETTINGS: Final = ROOT / "docs" / "site"
TARGET: Final = ROOT / "build" / "site"
EDITION: Final = ROOT / "build" / "lite"
"""Where ``make lite`` puts the browser edition."""
LITE: Final = "lite"
"""Where the browser edition stands in the site, if it has been built."""


def build(
    target: Path,
    write: Callable[[Path], None] = site_sources.write_all,
    *,
    url: str = "",
    edition: Path | None = None,
) -> int:
    """Make the pages anew; returns what Sphinx returns: 0 unless there was a warning.

    Args:
        target: the folder; what was in it is gone.
        write: writes what Sphinx reads into the folder that it is given.
        url: the address that the site will have.
        edition: the browser edition, which is copied into the site if it is there.
    """
    from sphinx.cmd.build import main as sphinx

    if target.is_dir() and any(target.iterdir()) and not (target / ".buildinfo").exists():
        sys.exit(f"{target} holds something else: name a folder that is new, or a site")
    shutil.rmtree(target, ignore_errors=True)
    with tempfile.TemporaryDirectory() as folder:
        sources = Path(folder, "sources")
        sources.mkdir()
        write(sources)
        settings = ["-c", str(SETTINGS), "-d", f"{folder}/doctrees", "-D", f"html_baseurl={url}"]
        command = ["-q", "-W", "--keep-going", "-b", "html", *settings]
        code = sphinx([*command, str(sources), str(target)])
    take_in(edition, target)
    return code


def take_in(edition: Path | None, target: Path) -> bool:
    """Copy the browser edition into a site if it is there; return whether pages lead to it."""
    if edition is not None and edition.is_dir():
        shutil.copytree(edition, target / LITE, dirs_exist_ok=True)
    there = (target / LITE / "lab" / "index.html").is_file()
    said = "document.documentElement.dataset.lite = '';\n" if there else ""
    (target / "_static" / "lite.js").write_text(said, "utf-8")
    return there


def main() -> int:
    """Do what the command line says and return the exit code."""
    parser = argparse.ArgumentParser(description="Make the site.")
    parser.add_argument("--to", type=Path, default=TARGET, help="the folder")
    parser.add_argument("--url", default="", help="the address that the site will have")
    parser.add_argument("--lite", type=Path, default=EDITION, help="the browser edition")
    asked = parser.parse_args()
    if code := build(asked.to, url=asked.url, edition=asked.lite):
        return code
    print(f"{len(list(asked.to.rglob('*.html')))} pages: open {asked.to / 'index.html'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
