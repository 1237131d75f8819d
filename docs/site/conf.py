"""How Sphinx makes the site: nothing is loaded from elsewhere, and a warning is an error."""

from __future__ import annotations

import html
import json
import re
import sys
from pathlib import Path
from typing import Any

from docutils import nodes

import goim_edu
from goim_edu.transport import Handler

LONGEST = 200  # characters of a description

project = "goim_edu"
release = goim_edu.__version__
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_extra", "_diagrams"]
templates_path = ["templates"]
html_theme = "furo"
html_title = f"goim_edu {release}"
html_favicon = "static/favicon.svg"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_js_files = ["lite.js", "site.js"]
html_last_updated_fmt = "%-d %B %Y"
html_show_copyright = False
html_show_sphinx = False
html_copy_source = False
html_show_sourcelink = False
html_show_search_summary = False  # a page from a file may not read another

# The outputs stand in the notebooks, as they were executed and tested there.
nb_execution_mode = "off"
nb_code_prompt_show = "Show what comes out"
nb_code_prompt_hide = "Hide what comes out"
myst_heading_anchors = 6
myst_heading_slug_func = "tools.site_sources.slug"
suppress_warnings = ["misc.highlighting_failure"]
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


def describe_page(app: Any, name: str, _template: str, context: dict[str, Any], tree: Any) -> None:
    """Say what search engines and messengers show of a page, and which notebook it is made of."""
    questions = (
        json.loads(file.read_text("utf-8")) if (file := extra(app, "_questions.json")) else {}
    )
    said = questions.get(name) or first_paragraph(tree) or DESCRIPTION
    url = app.config.html_baseurl or context["pathto"]("index", 0).removesuffix("index.html")
    title = re.sub(r"<[^>]+>", "", context.get("title") or project)
    told = {
        "description": said,
        "og:title": title,
        "og:description": said,
        "og:type": "article",
        "og:image": f"{url}preview.png",
        "twitter:card": "summary_large_image",
    }
    for key, value in told.items():
        kind = "property" if key.startswith("og:") else "name"
        tag = f'<meta {kind}="{key}" content="{html.escape(value)}">'
        context["metatags"] = context.get("metatags", "") + tag
    context["notebook"] = f"{name}.ipynb" if name in questions else None


DESCRIPTION = "How instant messaging works, byte by byte: WebSocket, a chat server and MongoDB."


def first_paragraph(tree: Any) -> str:
    """The text that a page begins with, cut to what is shown of it."""
    texts = (node.astext() for node in tree.findall(nodes.paragraph)) if tree else ()
    said = " ".join(next(iter(texts), "").split())
    return said if len(said) <= LONGEST else said[:LONGEST].rpartition(" ")[0] + " …"


def extra(app: Any, name: str) -> Path | None:
    """A file beside the sources, if it is there: the reference alone has none."""
    path = Path(app.srcdir, name)
    return path if path.exists() else None


def copy_extra(app: Any, config: Any) -> None:
    """Copy what stands in ``_extra`` as it is."""
    config.html_extra_path = [str(path)] if (path := extra(app, "_extra")) else []


def repair(_app: Any, _name: str, _template: str, context: dict[str, Any], _tree: Any) -> None:
    """Mend what axe-core finds in the markup of Sphinx and Furo.

    The captions of the navigation are headings of no level; the lines of a long signature are
    definitions of nothing.
    """
    tree = context.get("furo_navigation_tree", "")
    context["furo_navigation_tree"] = tree.replace(
        'role="heading"', 'role="heading" aria-level="2"'
    )
    lines = re.compile(r"<dl>\s*((?:<dd>(?:(?!</?d[dlt]>).)*</dd>\s*)+)</dl>", re.DOTALL)
    context["body"] = lines.sub(
        lambda found: re.sub(
            r"<(/?)dd>", r"<\1span>", f'<span class="sig-lines">{found[1]}</span>'
        ),
        context.get("body", ""),
    )


def setup(app: Any) -> None:
    """Called by Sphinx; 400: before napoleon takes the sections apart."""
    app.connect("config-inited", copy_extra)
    app.connect("html-page-context", describe_page)
    app.connect("html-page-context", repair, priority=900)  # after Furo
    app.connect("autodoc-process-docstring", read, priority=400)
    app.connect("autodoc-skip-member", skip_fields)
    app.connect("autodoc-process-signature", name_defaults)
