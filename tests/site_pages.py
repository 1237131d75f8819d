"""The pages of a site as tests read them: what a page has, leads to, and loads."""

from __future__ import annotations

import posixpath
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

ROOT = Path(__file__).resolve().parent.parent
ELSEWHERE = re.compile(r"[a-z]+:|//")


class Found(HTMLParser):
    """What a test looks at in a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: set[str] = set()
        self.loaded: set[str] = set()
        self.told: dict[str, str] = {}
        self.pictures = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {key: value or "" for key, value in attrs}
        self.ids.add(values.get("id", ""))
        if tag == "a" and "run-link" not in values.get("class", ""):
            self.links.add(values.get("href", ""))
        if tag == "meta":
            self.told[values.get("name") or values.get("property", "")] = values.get("content", "")
        if (
            tag in {"script", "link", "img", "iframe", "source"}
            and values.get("rel") != "canonical"
        ):
            self.loaded |= {values[key] for key in ("src", "href") if values.get(key)}
        self.pictures += "goim" in values.get("class", "") and values.get("role") == "img"


def make(target: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Make the site without a browser edition, in a process where a warning is no error."""
    command = [
        sys.executable,
        "-m",
        "tools.site",
        "--to",
        str(target),
        "--lite",
        "none",
        *arguments,
    ]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)


def read(folder: Path) -> dict[str, Found]:
    """All pages of a site by their path without its ending."""
    return {
        path.relative_to(folder).with_suffix("").as_posix(): Found(path.read_text("utf-8"))
        for path in sorted(folder.rglob("*.html"))
    }


def lost(folder: Path, pages: dict[str, Found]) -> list[str]:
    """What leads nowhere in a site, or is loaded from elsewhere: the page and the address."""
    found = []
    for name, page in pages.items():
        away = [one for one in page.loaded if ELSEWHERE.match(one) and not one.startswith("data:")]
        found += [f"{name}: {one}" for one in away]
        for link in page.links | page.loaded:
            if ELSEWHERE.match(link):
                continue
            address, _, fragment = link.partition("#")
            path = unquote(address.partition("?")[0])
            there = posixpath.normpath(posixpath.join(posixpath.dirname(name), path))
            there = f"{name}.html" if not path else there
            known = pages.get(there.removesuffix(".html"))
            if not (folder / there).exists() or (
                fragment and known and unquote(fragment) not in known.ids
            ):
                found.append(f"{name}: {link}")
    return found
