"""A client that goes through a proxy, by HTTP CONNECT or by SOCKS.

    python proxy_client.py ws://chat.example/echo http://lisa:secret@proxy.example:3128

Without a second argument the proxy is the one that the environment names (``https_proxy``,
``http_proxy``, ``all_proxy``, ``no_proxy``). A proxy that refuses is told apart from a server that
does. ``socks5h://`` needs the extra: ``pip install 'goim-edu[proxy]'``.
"""

import asyncio
import sys
from typing import Literal

from goim_edu.client import connect
from goim_edu.client.proxy import ProxyError


async def ask(uri: str, proxy: str | Literal[True]) -> None:
    """Say hello, and print the answer."""
    try:
        async with connect(uri, proxy=proxy) as ws:
            await ws.send("hello")
            print(await ws.recv())
    except ProxyError as error:
        print(f"not through this proxy: {error.status}")


if __name__ == "__main__":
    asyncio.run(ask(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else True))
