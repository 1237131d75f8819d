"""Store each line of the standard input once, whatever happens to the database meanwhile.

    GOIM_MONGO_URI='mongodb://HOSTS/?replicaSet=NAME' python store_once.py lobby lisa < lines

A primary may die while this runs: the store asks again, for an hour here, and finds out what it had
stored already. The number of a line is its id, so running this again stores nothing twice. What is
printed are the numbers in the room, each one when a majority has the line on disk.
"""

import sys

from goim_edu.store import open_store


def store_lines(room: str, user: str) -> None:
    """Store line after line, and print the number of each."""
    with open_store(patience=3600) as store:
        for number, line in enumerate(sys.stdin):
            saved = store.submit(room, user, line.rstrip("\n"), client_msg_id=str(number)).result()
            print(saved.seq, flush=True)


if __name__ == "__main__":
    store_lines(*sys.argv[1:])
