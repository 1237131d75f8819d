"""Write the two appendices from the chapters themselves: the glossary, and the claims of the notes.

The glossary collects the vocabulary tables of all chapters (``| word | 中文 | means |``) and links
each word to the place where it is first explained; words that stand in no such table, and those
whose row needs the rows around it, are in ``tools/everyday_words.toml``. The list of claims
(``tools/claims.toml``) links each to the cell that teaches it, which carries the tag ``claim-A5``
and so on.

    python tools/appendices.py           write notebooks/A1-glossary.ipynb and A2-claims.ipynb
    python tools/appendices.py --check   write nothing; exit 1 if they would change
"""

from __future__ import annotations

import argparse
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from nbformat import v4

from tools import notebooks as files

ROOT = Path(__file__).resolve().parent.parent
CLAIMS = ROOT / "tools" / "claims.toml"
EVERYDAY = ROOT / "tools" / "everyday_words.toml"
HEAD = re.compile(r"\|\s*word\s*\|\s*中文\s*\|\s*means\s*\|")
TITLE = re.compile(r"\d+b? · ")  # of a chapter: what it says in bold is explained further down
WITH_CHINESE = re.compile(
    r"(?<![\w.,:;!?)*])\*{1,2}([A-Za-z][^*\n\"]*)\*{1,2} ?[\u4e00-\u9fff]"
)  # *word* 中文
HEADING = re.compile(r"^#+ +(.+?) *$", re.MULTILINE)
VERDICTS = {"right": "✓ right", "imprecise": "◐ imprecise", "wrong": "✗ wrong"}
_node: Any = v4  # it has no types


class Place(NamedTuple):
    """A heading of a chapter."""

    chapter: str
    title: str

    @property
    def link(self) -> str:
        """A Markdown link to it, as JupyterLab and nbconvert name their anchors."""
        return f"[{self.title}]({self.chapter}.ipynb#{anchor(self.title)})"


class Word(NamedTuple):
    """A row of a vocabulary table."""

    word: str
    chinese: str
    means: str
    place: Place


class Claim(NamedTuple):
    """A claim of the notes."""

    id: str
    says: str
    verdict: str
    fact: str
    source: str


def chapters() -> list[Path]:
    """The notebooks of the course but for the appendices, in order."""
    return [path for path in sorted(files.FOLDER.glob("*.ipynb")) if path.name[0].isdigit()]


def anchor(title: str) -> str:
    """The fragment that leads to a heading; a bare parenthesis would end the link in Markdown.

    >>> anchor("3.1 Two bytes"), anchor("4.6 Four ways (second round)")
    ('3.1-Two-bytes', '4.6-Four-ways-%28second-round%29')
    """
    return quote(title.replace("`", "").replace("*", "").replace(" ", "-"), safe="-.,;:!?'·")


def prose(path: Path) -> Iterator[tuple[Place, Any]]:
    """Each cell of prose with the heading that it stands under, its own included."""
    title = ""
    for cell in files.read(path).cells:
        if cell.cell_type == "markdown":
            headings = HEADING.findall(without_code(cell.source))
            title = headings[0] if headings else title
            yield Place(path.stem, title), cell
            title = headings[-1] if headings else title


def passages(path: Path) -> Iterator[tuple[Place, str]]:
    """The prose of a chapter cut at its headings: each piece with the heading above it.

    A cell may end one section and begin the next, so a cell may be two pieces.
    """
    title = ""
    for cell in files.read(path).cells:
        if cell.cell_type == "markdown":
            before, *parts = HEADING.split(without_code(cell.source))
            if before.strip():
                yield Place(path.stem, title), before
            for title, text in zip(parts[::2], parts[1::2], strict=True):
                yield Place(path.stem, title), text


def without_code(source: str) -> str:
    """The text without its fenced blocks."""
    return re.sub(r"^```.*?^```", "", source, flags=re.DOTALL | re.MULTILINE)


def table_rows(source: str) -> Iterator[tuple[str, str, str]]:
    """The rows of the vocabulary tables in a cell."""
    inside = False
    for line in source.splitlines():
        if HEAD.fullmatch(line.strip()):
            inside = True
        elif not line.startswith("|"):
            inside = False
        elif inside and not set(line) <= set("|-: "):
            word, chinese, means = (part.strip() for part in line.strip().strip("|").split("|", 2))
            yield word, chinese, means


def words() -> list[Word]:
    """All words of the file and of all vocabulary tables, each once, in alphabetical order."""
    found = {plain(word.word): word for word in everyday_words()}
    for path in chapters():
        texts = list(passages(path))
        for place, text in texts:
            for word, chinese, means in table_rows(text):
                key = plain(word)
                if key not in found:
                    explained = first_use(key, texts) or place
                    found[key] = Word(word, chinese, means, explained)
    return [found[key] for key in sorted(found)]


def everyday_words() -> Iterator[Word]:
    """The words of the file, each with the section of its chapter that has it in bold, if any."""
    texts: dict[str, list[tuple[Place, str]]] = {}
    for path in chapters():
        texts.setdefault(files.chapter_of(path), []).extend(passages(path))
    for word, (chinese, means, chapter) in tomllib.loads(EVERYDAY.read_text("utf-8")).items():
        in_table = (place for place, text in texts[chapter] if plain(word) in rows_of(text))
        place = first_use(plain(word), texts[chapter]) or next(in_table, texts[chapter][0][0])
        yield Word(word, chinese, means, place)


def rows_of(source: str) -> set[str]:
    """The words that have a row in these tables."""
    return {plain(word) for word, _, _ in table_rows(source)}


def plain(word: str) -> str:
    """A word without its Markdown, in small letters."""
    return re.sub(r"[`*_]", "", word).lower()


def first_use(word: str, texts: list[tuple[Place, str]]) -> Place | None:
    """The section in which a word first stands in bold, or marked with its Chinese."""
    forms = {word, f"{word}s", f"{word}es", f"{word[:-1]}ies"}
    for place, text in texts:
        marked = re.findall(r"\*\*(.+?)\*\*", text) + WITH_CHINESE.findall(text)
        if {plain(one) for one in marked} & forms and not TITLE.match(place.title):
            return place
    return None


def claims() -> dict[str, list[Claim]]:
    """The claims of each part of the notes."""
    parts = tomllib.loads(CLAIMS.read_text("utf-8"))["part"]
    return {
        part["title"]: [Claim(name, *row) for name, row in part["claims"].items()] for part in parts
    }


def places_of_claims() -> dict[str, list[Place]]:
    """Where each claim is taught."""
    found: dict[str, list[Place]] = {}
    for path in chapters():
        for place, cell in prose(path):
            for tag in cell.metadata.get("tags", []):
                if tag.startswith("claim-"):
                    found.setdefault(tag.removeprefix("claim-"), []).append(place)
    return found


def glossary() -> Any:
    """The first appendix."""
    opening = (
        "# A1 · Glossary 词汇表\n\n**Which word was that, what is it in Chinese, and where was it "
        "explained?**\n\nEvery word from the vocabulary tables of the chapters, and those that all "
        "chapters use; the link leads to its place. To look one up takes less than two minutes."
    )
    rows: dict[str, list[Word]] = {}
    for word in words():
        letter = next((sign for sign in plain(word.word) if sign.isalpha()), "#").upper()
        rows.setdefault(letter, []).append(word)
    cells = [opening]
    for letter in sorted(rows):
        table = "\n".join(
            f"| {one.word} | {one.chinese} | {one.means} | {one.place.link} |"
            for one in rows[letter]
        )
        head = "| word | 中文 | means | where |"
        cells.append(f"## {letter}\n\n{head}\n{'|---' * 4}|\n{table}")
    cells.append(
        "**Where to go next:** [Claims of the notes](A2-claims.ipynb), or back to "
        "[00 Start here](00-start-here.ipynb)."
    )
    return notebook(cells)


def list_of_claims() -> Any:
    """The second appendix."""
    everything = [claim for part in claims().values() for claim in part]
    count = {name: sum(one.verdict == name for one in everything) for name in VERDICTS}
    opening = (
        "# A2 · Claims of the notes 笔记中的说法\n\n**What do the notes say, is it right, and "
        "where can you see it for yourself?**\n\n"
        f"Of {len(everything)} claims {count['right']} are right, {count['imprecise']} leave "
        f"something out or say it loosely, and {count['wrong']} are wrong. Everybody who writes "
        "down what they learn makes such slips; each was worth an experiment. Some minutes with "
        "this list are a good way to repeat the course."
    )
    places = places_of_claims()
    cells = [opening]
    for title, part in claims().items():
        table = "\n".join(
            f"| {one.id} | {one.says} | {VERDICTS[one.verdict]} | {one.fact} | {one.source} | "
            f"{', '.join(place.link for place in places.get(one.id, []))} |"
            for one in part
        )
        head = "| | the notes say | verdict | in fact | source | seen in |"
        cells.append(f"## {title}\n\n{head}\n{'|---' * 6}|\n{table}")
    cells.append("**Where to go next:** [Glossary](A1-glossary.ipynb).")
    return notebook(cells)


def notebook(sources: list[str]) -> Any:
    """A notebook of prose."""
    return _node.new_notebook(cells=[_node.new_markdown_cell(source) for source in sources])


def main() -> int:
    """Do what the command line says and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing, only look")
    check = parser.parse_args().check
    changed = []
    for name, content in (("A1-glossary", glossary()), ("A2-claims", list_of_claims())):
        path = files.FOLDER / f"{name}.ipynb"
        text = files.text_of(files.normalise(content))
        if not path.is_file() or path.read_text("utf-8") != text:
            changed.append(name)
            if not check:
                path.write_text(text, encoding="utf-8")
    verb = "would change, run make notebooks" if check else "written"
    print("\n".join(f"{name}: {verb}" for name in changed) or "the appendices are up to date")
    return 1 if check and changed else 0


if __name__ == "__main__":
    sys.exit(main())
