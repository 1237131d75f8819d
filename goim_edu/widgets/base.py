"""What the labs are made of: one script and style sheet below their own, a picture in print."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import anywidget
import traitlets

from goim_edu.draw import Picture
from goim_edu.errors import LocalProtocolError

__all__ = ["Lab", "octets_of", "script", "style"]

_HERE: Final = Path(__file__).parent
_MARKS: Final = _HERE.parent / "printable.js"


def script(name: str) -> str:
    """Return the JavaScript of a widget, with what it shares with the others before it.

    A widget's script reaches the browser as one module with no address, so it cannot import a
    neighbour: they are joined here. One that shows names or texts of strangers calls a function of
    ``printable.js``, and gets that file, too; one that makes a ``Tunnel`` gets ``tunnel.js``.

    Args:
        name: of its file, without ``.js``.

    >>> script("frame_lab").strip().endswith("export default { render };")
    True
    """
    own = _joined(f"{name}.js")
    if "new Tunnel(" in own:
        own = (_HERE / "tunnel.js").read_text(encoding="utf-8") + own
    if "printable" not in own:
        return own
    return _MARKS.read_text(encoding="utf-8").replace("export ", "") + own


def style(name: str) -> str:
    """Return the style sheet of a widget, with what it shares with the others before it."""
    return _joined(f"{name}.css")


def octets_of(digits: str) -> bytes:
    """Return the bytes that somebody has typed as hex digits, with or without spaces.

    Raises:
        ValueError: these are none; says what is wanted.

    >>> octets_of("48 656c").decode()
    'Hel'
    """
    try:
        return bytes.fromhex(digits)
    except ValueError:
        raise ValueError("bytes are written as pairs of hex digits, such as 0e ff") from None


def _joined(name: str) -> str:
    shared = _HERE / f"base{Path(name).suffix}"
    return "\n".join(path.read_text(encoding="utf-8") for path in (shared, _HERE / name))


class Lab(anywidget.AnyWidget):
    """A widget that the browser asks by messages, and that is drawn from one ``view``.

    A subclass fills ``view``, does in ``_do`` what the browser asks for, and draws in
    ``picture`` what stands for it where no kernel runs. What cannot be done is said there.
    """

    view = traitlets.Dict().tag(sync=True)

    def __init__(self, **traits: Any) -> None:
        super().__init__(**traits)
        self.on_msg(self._receive)

    def picture(self) -> Picture:
        """Return what it shows as a picture, as in print."""
        raise NotImplementedError

    def _do(self, content: dict[str, Any]) -> None:
        """Do what was clicked or typed; ``content["type"]`` says what."""
        raise NotImplementedError

    def _receive(self, _: object, content: dict[str, Any], __: object) -> None:
        try:
            self._do(content)
        except (LocalProtocolError, traitlets.TraitError, ValueError, OSError) as error:
            self.send({"type": "refused", "text": str(error)})

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        data, metadata = super()._repr_mimebundle_(**kwargs) or ({}, {})
        return {**data, "text/html": self._stand_in()}, metadata

    def _stand_in(self) -> str:
        """Return the HTML that is shown where no kernel runs."""
        return self.picture().html()
