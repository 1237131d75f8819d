"""For lessons that need a real mongod: where there is none, say so once and skip the rest."""

from __future__ import annotations

import sys
from typing import Any, Final

from goim_edu.errors import StoreUnavailable
from goim_edu.mongod.binary import why_no_mongod
from goim_edu.saved_cells import offer

__all__ = ["need_mongod"]

_LEFT_OUT: Final = (
    "The cells that follow are skipped, their saved outputs are there to be read. "
    "Once it is installed, run this cell again."
)
_SAVED: Final = (
    "The cells that follow show what they showed where there was one; "
    "your answers to the exercises are checked all the same."
)
_SKIPPED: Final = 'print("skipped: there is no MongoDB on this machine")\n'


def need_mongod() -> None:
    """Go on if a real mongod can run here; else say what to install and skip the cells that follow.

    In a notebook it stands in a cell of its own. Where no mongod can run, that cell shows what is
    missing, and each later one only says that it is skipped, without an error. Once a mongod is
    there, run the cell again: the rest of the notebook is alive again.

    Raises:
        StoreUnavailable: no mongod can run, and this is not a notebook.
    """
    shell = _shell()
    why = why_no_mongod()
    if shell is None:
        if why:
            raise StoreUnavailable(why)
        return
    saved = offer()
    transformers = shell.input_transformers_cleanup
    transformers[:] = [one for one in transformers if one is not _skip]
    if why:
        _show(why, saved)
        if not saved:
            transformers.append(_skip)


def _shell() -> Any:
    """The IPython in which this code runs; None outside of one."""
    ipython = sys.modules.get("IPython")
    return None if ipython is None else ipython.get_ipython()


def _skip(lines: list[str]) -> list[str]:
    """The cell that runs instead of this one: itself if it asks again whether a mongod is there."""
    return lines if any("need_mongod" in line for line in lines) else [_SKIPPED]


def _show(why: str, saved: bool) -> None:
    from IPython.display import display

    rest = _SAVED if saved else _LEFT_OUT
    head = "From here on, a real MongoDB is needed."
    bundle = {
        "text/plain": f"{head}\n{why}\n{rest}",
        "text/markdown": f"**{head}** {why}\n\n{rest}",
    }
    display(bundle, raw=True)  # type: ignore[no-untyped-call]
