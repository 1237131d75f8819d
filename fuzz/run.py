"""Fuzz one target: python -m fuzz.run decoder CORPUS_FOLDER [options of libFuzzer]."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path


def main() -> None:
    """Give the target's seeds to its corpus, then run its check on ever new octets."""
    import atheris

    name, corpus = sys.argv[1], Path(sys.argv[2])
    with atheris.instrument_imports(include=["goim_edu"]):
        target = importlib.import_module(f"fuzz.{name}")
    if not corpus.is_file():  # a file is a find that is to be seen again
        corpus.mkdir(parents=True, exist_ok=True)
        for number, seed in enumerate(target.SEEDS):
            (corpus / f"seed-{number}").write_bytes(seed)
    atheris.Setup([sys.argv[0], *sys.argv[2:]], target.check)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
