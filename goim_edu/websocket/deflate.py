r"""permessage-deflate: messages compressed with DEFLATE, and the parameters of that (RFC 7692).

A sender compresses the message, sets RSV1 on its first frame, fragments it, then masks each frame.
The receiver undoes these steps, the last one first.

Compressed data ends with an empty stored block, the octets ``00 00 ff ff``. Both sides know that,
so the sender leaves them out and the receiver puts them back (§7.2.1, §7.2.2).

Four parameters are negotiated, two for each direction:

* ``max_window_bits``: how far back, in powers of two, a match may reach. Both sides keep as much.
* ``no_context_takeover``: whether each message starts with an empty window. It compresses worse,
  but nothing has to be kept between two messages, and one compressed message fits many receivers.

Compressors and decompressors are made when the first message needs them: agreeing on compression
costs an idle connection nothing.
"""

import re
import sys
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from goim_edu.errors import HandshakeError, RemoteProtocolError
from goim_edu.websocket.deflate_config import DeflateConfig
from goim_edu.websocket.extensions import ExtensionOffer
from goim_edu.websocket.octets import as_octets

__all__ = [
    "EXTENSION_NAME",
    "DeflateConfig",
    "DeflateParams",
    "PerMessageDeflate",
    "accept_client",
    "deflate_shared",
    "negotiate_server",
    "offer_client",
]

EXTENSION_NAME = "permessage-deflate"

_TAIL = b"\x00\x00\xff\xff"  # an empty stored block without its three header bits
_EMPTY_MESSAGE = b"\x00"  # §7.2.3.6: those three bits, padded; the receiver adds the tail
_WINDOW_BITS = re.compile("8|9|1[0-5]")  # §7.1.2: decimal, no leading zeroes
_LARGEST_WINDOW = 15
_OWN_WINDOW = 12  # of a server that was told nothing else

_DEFAULT_CONFIG = DeflateConfig()


class DeflateParams(NamedTuple):
    """What both sides agreed on for one connection."""

    server_no_context_takeover: bool = False
    client_no_context_takeover: bool = False
    server_max_window_bits: int = _LARGEST_WINDOW
    client_max_window_bits: int = _LARGEST_WINDOW


# ---------------------------------------------------------------------- negotiation


def negotiate_server(
    offers: Iterable[ExtensionOffer], config: DeflateConfig = _DEFAULT_CONFIG
) -> tuple[DeflateParams | None, ExtensionOffer | None]:
    """Answer a client's offers as a server: the first one that we can accept (RFC 7692 §5.1, §7.1).

    An offer with an unknown, repeated or ill-valued parameter is declined, and so is one with
    ``server_max_window_bits=8``, since zlib has no compressor for such a window. Declining is not
    an error: the connection then goes without compression.

    The answer names the window of our own messages only where the offer did. A smaller one needs no
    telling: any receiver can read what was written with it, and some refuse what they did not ask
    for, although §7.1.2.1 allows it.

    Args:
        offers: all extensions in the client's ``Sec-WebSocket-Extensions``, in its order.
        config: how we want to compress.

    Returns:
        The parameters, and the element to answer with; both None if no offer is accepted.

    >>> offer = ExtensionOffer("permessage-deflate", (("client_max_window_bits", None),))
    >>> params, answer = negotiate_server([offer])
    >>> answer.params
    (('client_max_window_bits', '12'),)
    >>> params.server_max_window_bits
    12
    """
    for offer in offers:
        if offer.name != EXTENSION_NAME:
            continue
        wants, error = _read_params(offer)
        if error:
            continue
        server_bits = min(
            wants.get("server_max_window_bits", _LARGEST_WINDOW),
            config.server_max_window_bits or _OWN_WINDOW,
        )
        if server_bits < 9:
            continue
        params = DeflateParams(
            "server_no_context_takeover" in wants or config.server_no_context_takeover,
            "client_no_context_takeover" in wants or config.client_no_context_takeover,
            server_bits,
            _LARGEST_WINDOW,
        )
        if "client_max_window_bits" in wants:  # else the client could not obey (§7.1.2.2)
            client_bits = min(wants["client_max_window_bits"], config.client_max_window_bits)
            params = params._replace(client_max_window_bits=client_bits)
        return params, _write_params(params, server_window="server_max_window_bits" in wants)
    return None, None


def offer_client(config: DeflateConfig = _DEFAULT_CONFIG) -> tuple[ExtensionOffer, ...]:
    """What a client offers, the most wanted first (RFC 7692 §5, §7.1).

    The offer always tells that we can limit our own window. It asks the server to limit its window
    only if the config says so, since some servers refuse a client that does; a second offer without
    that then follows, for servers that cannot.

    >>> from goim_edu.websocket.extensions import format_extensions
    >>> format_extensions(offer_client(DeflateConfig()))
    'permessage-deflate; client_max_window_bits=12'
    """
    flags: list[tuple[str, str | None]] = [
        (name, None)
        for name in ("server_no_context_takeover", "client_no_context_takeover")
        if getattr(config, name)
    ]
    bits = config.client_max_window_bits
    flags.append(("client_max_window_bits", str(bits) if bits < _LARGEST_WINDOW else None))
    plain = ExtensionOffer(EXTENSION_NAME, tuple(flags))
    if config.server_max_window_bits in (None, _LARGEST_WINDOW):
        return (plain,)
    limit = ("server_max_window_bits", str(config.server_max_window_bits))
    return (ExtensionOffer(EXTENSION_NAME, (limit, *flags)), plain)


def accept_client(
    answers: Sequence[ExtensionOffer], config: DeflateConfig = _DEFAULT_CONFIG
) -> DeflateParams | None:
    """Judge a server's answer as the client that made ``offer_client(config)`` (RFC 7692 §7.1).

    Args:
        answers: the extensions of the server's 101.
        config: the configuration that the offers were made from.

    Returns:
        The parameters, or None if the server declined.

    Raises:
        HandshakeError: status 502: the answer does not fit our offers.

    >>> accept_client([ExtensionOffer("permessage-deflate", (("server_max_window_bits", "10"),))])
    DeflateParams(server_no_context_takeover=False, client_no_context_takeover=False, \
server_max_window_bits=10, client_max_window_bits=12)
    """
    ours = [answer for answer in answers if answer.name == EXTENSION_NAME]
    if not ours:
        return None
    if len(ours) > 1:
        raise _bad_answer("two answers would both use RSV1", "§5.1")
    wants, error = _read_params(ours[0], in_answer=True)
    if error:
        raise _bad_answer(error, "§7.1")
    if config.server_no_context_takeover and "server_no_context_takeover" not in wants:
        raise _bad_answer("server_no_context_takeover was in every offer", "§7.1.1.1")
    return DeflateParams(
        "server_no_context_takeover" in wants,
        "client_no_context_takeover" in wants or config.client_no_context_takeover,
        wants.get("server_max_window_bits", _LARGEST_WINDOW),
        min(wants.get("client_max_window_bits", 15), config.client_max_window_bits),
    )


def _read_params(
    element: ExtensionOffer, *, in_answer: bool = False
) -> tuple[Mapping[str, int], str]:
    """The parameters of an offer or an answer, and why they are not valid ("" if they are)."""
    found: dict[str, int] = {}
    for name, value in element.params:
        if name in found:
            return found, f"{name} comes twice"
        if name in ("server_no_context_takeover", "client_no_context_takeover"):
            if value is not None:
                return found, f"{name} takes no value"
            found[name] = 1
        elif name in ("server_max_window_bits", "client_max_window_bits"):
            if value is None and name == "client_max_window_bits" and not in_answer:
                value = "15"
            if value is None or not _WINDOW_BITS.fullmatch(value):
                return found, f"{name} is {value!r}, not 8 to 15"
            found[name] = int(value)
        else:
            return found, f"there is no parameter {name[:40]!r}"
    return found, ""


def _write_params(params: DeflateParams, *, server_window: bool) -> ExtensionOffer:
    """The answer that names these parameters; those at their defaults can be left out."""
    fields: list[tuple[str, str | None]] = []
    if params.server_no_context_takeover:
        fields.append(("server_no_context_takeover", None))
    if params.client_no_context_takeover:
        fields.append(("client_no_context_takeover", None))
    if server_window:
        fields.append(("server_max_window_bits", str(params.server_max_window_bits)))
    if params.client_max_window_bits < _LARGEST_WINDOW:
        fields.append(("client_max_window_bits", str(params.client_max_window_bits)))
    return ExtensionOffer(EXTENSION_NAME, tuple(fields))


def _bad_answer(why: str, place: str) -> HandshakeError:
    return HandshakeError(
        f"the server's answer on permessage-deflate is not valid: {why}",
        status=502,
        section=f"RFC 7692 {place}",
    )


# ---------------------------------------------------------------------- the messages


class PerMessageDeflate:
    r"""Both directions of one connection: compress what goes out, decompress what comes in.

    Args:
        params: what was agreed on.
        server: whether we are the server.
        config: our own choice of level, memory and members.

    Attributes:
        local_no_context_takeover: whether each of our messages starts with an empty window.
        remote_no_context_takeover: whether each of the peer's messages does.

    >>> params = DeflateParams()
    >>> server, client = PerMessageDeflate(params, True), PerMessageDeflate(params, False)
    >>> server.compress(b"Hello").hex(" ")
    'f2 48 cd c9 c9 07 00'
    >>> client.decompress(bytes.fromhex("f2 48 cd c9 c9 07 00"), final=True, max_size=5)
    b'Hello'
    """

    __slots__ = (
        "_compressor",
        "_decompressor",
        "_local_bits",
        "_members",
        "_needs_reset",
        "_remote_bits",
        "config",
        "local_no_context_takeover",
        "params",
        "remote_no_context_takeover",
    )

    def __init__(
        self, params: DeflateParams, server: bool, config: DeflateConfig = _DEFAULT_CONFIG
    ) -> None:
        self.params = params
        self.config = config
        local = (params.server_no_context_takeover, params.server_max_window_bits)
        remote = (params.client_no_context_takeover, params.client_max_window_bits)
        if not server:
            local, remote = remote, local
        self.local_no_context_takeover, self._local_bits = local
        self.remote_no_context_takeover, self._remote_bits = remote
        self._compressor: zlib._Compress | None = None
        self._decompressor: zlib._Decompress | None = None
        self._members = 0  # of the message that is under way
        self._needs_reset = self.remote_no_context_takeover  # after this message

    def compress(self, message: bytes, final: bool = True) -> bytes:
        """The payload of a compressed message, or of one piece of it (§7.2.1).

        Args:
            message: the application data, or the next piece of it.
            final: whether the message ends here.

        Returns:
            What to put into frames, the first of them with RSV1.
        """
        if type(message) is not bytes:
            message = as_octets(message)
        compressor = self._compressor
        if compressor is None:
            compressor = _make_compressor(self._local_bits, self.config)
            if not (final and self.local_no_context_takeover):
                self._compressor = compressor
        if not message:  # zlib does not flush twice, so the empty block is written by hand
            data = _EMPTY_MESSAGE if final else b""
        elif final:
            data = (compressor.compress(message) + compressor.flush(zlib.Z_SYNC_FLUSH))[:-4]
        else:
            data = compressor.compress(message) + compressor.flush(zlib.Z_SYNC_FLUSH)
        if final and self.local_no_context_takeover:
            self._compressor = None
        return data

    def decompress(self, data: bytes, final: bool, max_size: int) -> bytes:
        """The application data of one frame of a compressed message (§7.2.2).

        Args:
            data: the payload of the frame, unmasked.
            final: whether the message ends with it.
            max_size: the most octets that may come of it, 0 to 2**62; zlib never makes more.

        Returns:
            The next piece of the application data.

        Raises:
            RemoteProtocolError: 1009 if it is more than ``max_size``; 1007 if it is not DEFLATE;
                1008 if the message holds more than ``config.max_members`` streams.
        """
        decompressor = self._decompressor
        if decompressor is None:
            decompressor = self._decompressor = zlib.decompressobj(-self._remote_bits)
        try:
            output = decompressor.decompress(data + _TAIL if final else data, _one_more(max_size))
            if decompressor.eof:
                output = self._decompress_members(output, decompressor.unused_data, final, max_size)
        except zlib.error as error:
            raise RemoteProtocolError(
                f"the compressed message is damaged: {error}",
                close_code=1007,
                section="RFC 7692 §7.2.2",
            ) from None
        if len(output) > max_size:
            raise RemoteProtocolError(
                f"the message grows beyond the {max_size} octets that are left for it",
                close_code=1009,
                section="RFC 6455 §7.4.1",
            )
        if final and self._needs_reset:
            self._members = 0
            self._needs_reset = self.remote_no_context_takeover
            if self.remote_no_context_takeover:
                self._decompressor = None
        return output

    def _decompress_members(self, output: bytes, rest: bytes, final: bool, max_size: int) -> bytes:
        """Go on after a block with BFINAL=1, which ended a DEFLATE stream (§7.2.3.4).

        Each further stream gets a new decompressor and a copy of what is left, so their number is
        bounded: else a message of empty streams would take quadratic time.
        """
        pieces = [output]
        size = len(output)
        self._needs_reset = True
        decompressor: zlib._Decompress | None = None
        while decompressor is None:
            self._members += 1
            if self._members > self.config.max_members:
                raise RemoteProtocolError(
                    f"the message holds more than {self.config.max_members} DEFLATE streams",
                    close_code=1008,
                    section="RFC 7692 §7.2.3.4",
                )
            if not rest or size > max_size or (final and rest == _TAIL):
                break  # nothing is left; the tail completes no block of a stream that has ended
            decompressor = zlib.decompressobj(-self._remote_bits)
            pieces.append(decompressor.decompress(rest, _one_more(max_size - size)))
            size += len(pieces[-1])
            if decompressor.eof:
                rest, decompressor = decompressor.unused_data, None
        self._decompressor = decompressor
        return b"".join(pieces)


def _make_compressor(window_bits: int, config: DeflateConfig) -> "zlib._Compress":
    """A compressor of raw DEFLATE whose matches stay within the window.

    zlib has no compressor for a window of 2**8. A client that has to keep to that stores its data
    (level 0) instead of compressing it: stored blocks refer back to nothing.
    """
    if window_bits < 9:
        return zlib.compressobj(0, zlib.DEFLATED, -9, config.mem_level)
    return zlib.compressobj(config.level, zlib.DEFLATED, -window_bits, config.mem_level)


def deflate_shared(
    message: bytes, window_bits: int = 12, config: DeflateConfig = _DEFAULT_CONFIG
) -> bytes:
    """Compress one message for many receivers: all of them can read the same octets.

    That holds for connections whose server agreed on ``server_no_context_takeover`` and on a
    window of at least ``window_bits``. Never send such octets on a connection that takes its
    context over: its next message would refer to a past that its receiver does not have.

    Args:
        message: the application data.
        window_bits: the smallest window among the receivers, 9 to 15.
        config: level and memory.

    >>> deflate_shared(b"Hello").hex(" ")
    'f2 48 cd c9 c9 07 00'
    """
    message = as_octets(message)
    if not message:
        return _EMPTY_MESSAGE
    compressor = _make_compressor(window_bits, config)
    return (compressor.compress(message) + compressor.flush(zlib.Z_SYNC_FLUSH))[:-4]


def _one_more(size: int) -> int:
    """One octet more, so that too many are seen; zlib takes no more than an object can have."""
    return min(size + 1, sys.maxsize)
