"""Build the browser edition of the course, from the registries alone; then without network.

python -m tools.lite              the site in build/lite/, for any web server:
                                  python -m http.server --directory build/lite
python -m tools.lite --pin        pin the wheels anew: what browser.in names, newest versions
"""

from __future__ import annotations

import argparse
from pathlib import Path

from tools.lite.parts import ROOT, Parts
from tools.lite.pin import pin
from tools.lite.site import build


def main() -> None:
    """Build it and say how large it is."""
    parser = argparse.ArgumentParser(description="Build the browser edition of the course.")
    parser.add_argument("--pin", action="store_true", help="pin the wheels anew, and build nothing")
    parser.add_argument("--site", type=Path, default=ROOT / "build" / "lite", metavar="DIR")
    args = parser.parse_args()
    parts = Parts()
    if args.pin:
        pin()
        return
    parts.fetch()
    for line in build(args.site.resolve(), parts):
        print(line, "(left out)")
    files = [path for path in args.site.rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files)
    print(f"{args.site}: {len(files)} files, {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
