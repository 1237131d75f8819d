"""How Sphinx makes the reference: nothing is loaded from elsewhere, and a warning is an error."""

from __future__ import annotations

import re
import sys
from typing import Any

import goim_edu
from goim_edu.transport import Handler

project = "goim_edu"
release = goim_edu.__version__
extensions = ["sphinx.ext.autodoc", "sphinx.ext.napoleon"]
html_theme = "furo"
html_title = f"goim_edu {release}"
html_show_copyright = False
html_copy_source = False
html_show_sourcelink = False
html_show_search_summary = False  # a page from a file may not read another
smartquotes_action = "D"  # dashes, but quotes stay as they are written: "" is a value

add_module_names = False
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints_format = "short"
python_maximum_signature_line_length = 88
toc_object_entries_show_parents = "hide"
napoleon_numpy_docstring = False
napoleon_custom_sections = [("Attributes", "params_style")]

# Every name of ours in a signature leads somewhere. Python's own and those of other packages have
# their pages elsewhere; a type variable has none (``T``, ``_Result``).
nitpicky = True
nitpick_ignore_regex = [("py:.*", r"(?!goim_edu\.).*"), ("py:.*", r"[\w.]+\.(_\w+|[A-Z])")]


def read(_app: Any, kind: str, _name: str, _of: Any, _options: Any, lines: list[str]) -> None:
    """Say in the words of Sphinx what our docstrings leave unsaid.

    What is indented behind a paragraph is code. What is returned, and a property, has its type in
    the signature, so what stands before the first colon is not one: it gets an empty type.
    """
    if kind in {"attribute", "property"} and lines:
        lines[0] = f": {lines[0]}"
    found: list[str] = []
    last = ""
    for line in lines:
        if last in {"Returns:", "Yields:"}:
            line = f"    : {line.lstrip()}"
        indented = line.startswith("    ")
        after_text = bool(found) and not found[-1] and last and not last.startswith(" ")
        if indented and after_text and not last.endswith("::"):
            found += ["::", ""]
        found.append(line)
        last = line or last
    lines[:] = found


CALLED_BY_US = {"start_task", "on_request"} | {
    name for name in vars(Handler) if name.startswith("on_") or name == "is_busy"
}
"""What one part of the package calls of another, and no program of yours."""


def skip_fields(
    _app: Any, _kind: str, name: str, member: Any, _skip: bool, _options: Any
) -> bool | None:
    """Leave out what a program does not call, and fields of named tuples.

    The class describes those under its parameters.
    """
    if name in CALLED_BY_US and getattr(member, "__qualname__", "").partition(".")[0] != "Handler":
        return True
    return True if "Alias for field number" in (getattr(member, "__doc__", "") or "") else None


def name_defaults(
    _app: Any, _kind: str, _name: str, of: Any, _options: Any, given: str | None, returns: str
) -> tuple[str | None, str]:
    """Write a default that is a function by its name, and one that is a constant by its value.

    Sphinx cuts defaults out of the source, and a § before the cut shifts it by one: then a bracket
    of the source comes with the last of them.
    """
    if not given:
        return given, returns
    module = sys.modules.get(getattr(of, "__module__", ""))

    def value(match: re.Match[str]) -> str:
        found = getattr(module, match[1], None)
        return f"= {found!r}" if isinstance(found, int | float) else match[0]

    given = re.sub(r"<(?:built-in )?function ([\w.]+)[^<>]*>", r"\1", given)
    given = re.sub(r"= ([A-Z][A-Z_]+)\b", value, given)
    return given[: -1 if given.count(")") > given.count("(") else None], returns


def setup(app: Any) -> None:
    """Called by Sphinx; 400: before napoleon takes the sections apart."""
    app.connect("autodoc-process-docstring", read, priority=400)
    app.connect("autodoc-skip-member", skip_fields)
    app.connect("autodoc-process-signature", name_defaults)
