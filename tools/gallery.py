"""Draw every picture of the course, in light and in dark, into docs/gallery/ with an index.

python -m tools.gallery                 all of them
python -m tools.gallery handshake scans only those whose name begins so
"""

from __future__ import annotations

import argparse
import io
import sys
from pathlib import Path
from typing import Final

from PIL import Image

from goim_edu.draw import Picture
from tools.exhibits import EXHIBITS, Exhibit
from tools.widget_shots import WIDGETS

FOLDER: Final = Path(__file__).resolve().parent.parent / "docs" / "gallery"
THEMES: Final = ("light", "dark")
MOST_BYTES: Final = 150_000
SCALE: Final = 1.5
COLOURS: Final = 128  # of a PNG; flat areas and letters need no more
ALL: Final = [*EXHIBITS, *WIDGETS]


def shrink(png: bytes) -> bytes:
    """The same picture with a palette, which takes a third of the bytes."""
    with Image.open(io.BytesIO(png)) as image:
        small = image.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    out = io.BytesIO()
    small.save(out, "PNG", optimize=True)
    return out.getvalue()


def shoot(exhibit: Exhibit, folder: Path) -> str:
    """Write an exhibit in both themes; return what it shows, in words."""
    made = exhibit.make()
    for theme in THEMES:
        png = made.png(theme, SCALE) if isinstance(made, Picture) else made(theme)
        png = shrink(png)
        if len(png) > MOST_BYTES:
            raise ValueError(f"{exhibit.name}: {len(png):,} bytes, at most {MOST_BYTES:,}")
        (folder / f"{exhibit.name}-{theme}.png").write_bytes(png)
    return made.title if isinstance(made, Picture) else exhibit.title


def write_index(folder: Path) -> None:
    """Write the page that shows all that is there."""
    lines = [
        "# Gallery",
        "",
        "Every picture of the course, drawn by `make gallery` from real frames, captures and",
        "documents. Each shows itself in JupyterLab, follows its light or dark theme, says in",
        "`.alt` what it shows, keeps the drawn data in `.fields`, and saves itself with",
        "`.save(path)` as SVG or PNG.",
        "",
    ]
    for exhibit in ALL:
        light, dark = (f"{exhibit.name}-{theme}.png" for theme in THEMES)
        if (folder / light).exists():
            lines += [
                f"## {exhibit.title}",
                "",
                f"`{exhibit.how}`",
                "",
                "<picture>",
                f'<source media="(prefers-color-scheme: dark)" srcset="{dark}">',
                f'<img src="{light}" alt="{exhibit.title}" width="960">',
                "</picture>",
                "",
                f"[light]({light}) · [dark]({dark})",
                "",
            ]
    (folder / "README.md").write_text("\n".join(lines), encoding="utf-8")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("names", nargs="*", help="how the names begin; all if none is given")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    chosen = parser.parse_args(arguments)
    wanted = tuple(chosen.names) or ("",)
    chosen.folder.mkdir(parents=True, exist_ok=True)
    for exhibit in ALL:
        if not exhibit.name.startswith(wanted):
            continue
        if exhibit.missing():
            print(f"{exhibit.name}: left as it is, needs {exhibit.missing()}", file=sys.stderr)
            continue
        print(f"{exhibit.name}: {shoot(exhibit, chosen.folder)}")
    write_index(chosen.folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
