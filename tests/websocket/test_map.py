"""The map of the folder, in its docstring, has every module and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import goim_edu.websocket


def test_the_map_has_every_module() -> None:
    folder = Path(goim_edu.websocket.__file__).parent
    modules = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    assert set(re.findall(r"^ {4,6}(\w+)  ", goim_edu.websocket.__doc__ or "", re.M)) == modules
