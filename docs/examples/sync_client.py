"""A client without an event loop: it sends each line that it reads, and prints each answer.

    python sync_client.py ws://127.0.0.1:8765/echo

Pings of the server are answered even while the program waits for its next line.
"""

import sys

from goim_edu.client.sync import connect


def talk(uri: str) -> None:
    """Until there are no more lines."""
    with connect(uri) as ws:
        for line in sys.stdin:
            ws.send(line.rstrip("\n"))
            print(ws.recv(timeout=10), flush=True)


if __name__ == "__main__":
    talk(sys.argv[1])
