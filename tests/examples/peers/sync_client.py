"""The client of ``docs/examples/sync_client.py`` on ``websockets.sync``."""

import sys

from websockets.sync.client import connect


def talk(uri: str) -> None:
    """Until there are no more lines."""
    with connect(uri) as ws:
        for line in sys.stdin:
            ws.send(line.rstrip("\n"))
            print(ws.recv(timeout=10), flush=True)


if __name__ == "__main__":
    talk(sys.argv[1])
