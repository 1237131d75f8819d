"""A picture of one's own: it can be read, and is drawn as the others are."""

from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ET

from tests.examples.counting import EXAMPLES


def test_it_draws_what_it_says() -> None:
    program = EXAMPLES / "own_picture.py"
    done = subprocess.run(
        [sys.executable, str(program)], capture_output=True, check=True, encoding="utf-8"
    )
    tree = ET.fromstring(done.stdout)
    drawn = [text for text in tree.itertext() if text.strip().isdecimal()]
    assert drawn == ["1000", "17", "1001", "4", "1006", "2"]
    widths = [one.get("width") for one in tree.iter() if one.tag.endswith("rect")]
    assert widths[-3:] == ["300.0", f"{300 * 4 / 17}", f"{300 * 2 / 17}"]
    assert "How often each close code came: 1000: 17, 1001: 4, 1006: 2." in done.stdout
