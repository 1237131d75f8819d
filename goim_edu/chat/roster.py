"""The roster of a room: who is here, at this server and at the others of the same chat.

A user is here while one session is in the room, wherever. One whose last session is lost is still
here for a while, the *grace*: if it comes back, nobody has noticed anything.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import Final, NamedTuple

from goim_edu.chat.ports import Moves, Whereabouts

__all__ = ["NO_CHANGES", "Changes", "Roster"]

_LAST: Final = 1 << 63  # more than any number that a server tells


class Changes(NamedTuple):
    """What has become new for those who look.

    Args:
        came: users who were not here before.
        went: users who are not here any more.
        counted: whether a server that tells no names has told another number.
    """

    came: Sequence[str]
    went: Sequence[str]
    counted: bool


NO_CHANGES: Final = Changes((), (), False)


class Roster:
    """The users of one room.

    Each method that changes something says who has come or gone by it, for all who look.

    >>> roster = Roster()
    >>> roster.enter("lisa"), roster.enter("lisa")
    (True, False)
    >>> roster.move(Moves("server 2", 1, came=["lisa", "tom"]))
    Changes(came=['tom'], went=[], counted=False)
    >>> roster.exit("lisa"), roster.exit("lisa")
    (False, False)
    >>> roster.forget("server 2")
    Changes(came=[], went=['lisa', 'tom'], counted=False)
    """

    __slots__ = (
        *("_counts", "_elsewhere", "_names", "_sessions", "_told", "_waited_for", "sessions"),
    )

    def __init__(self) -> None:
        self.sessions = 0
        """How many are in the room at this server."""
        self._sessions: dict[str, int] = {}  # of each user, at this server
        self._waited_for: dict[str, int] = {}  # lost just now: how many graces run
        self._elsewhere: dict[str, set[str]] = {}  # the other servers at which a user is
        self._counts: dict[str, int] = {}  # of the servers that tell numbers, not names
        self._told: dict[str, int] = {}  # by each server last
        self._names: list[str] = []  # of all, sorted

    # ------------------------------------------------------------------ at this server

    def enter(self, user_id: str) -> bool:
        """A session comes in."""
        self.sessions += 1
        self._sessions[user_id] = self._sessions.get(user_id, 0) + 1
        return self._appear(user_id)

    def exit(self, user_id: str, *, wait: bool = False) -> bool:
        """A session is gone.

        Args:
            user_id: its user.
            wait: whether the user, if this was its last session here, counts until ``stop_waiting``
                is called.
        """
        self.sessions -= 1
        self._sessions[user_id] -= 1
        if self._sessions[user_id]:
            return False
        del self._sessions[user_id]
        if wait:
            self._waited_for[user_id] = self._waited_for.get(user_id, 0) + 1
            return False
        return self._vanish(user_id)

    def stop_waiting(self, user_id: str) -> bool:
        """The grace of a user that was lost is over."""
        self._waited_for[user_id] -= 1
        if not self._waited_for[user_id]:
            del self._waited_for[user_id]
        return self._vanish(user_id)

    @property
    def empty(self) -> bool:
        """Whether nobody is here at this server, or may come back."""
        return not self._sessions and not self._waited_for

    def sessions_of(self, user_id: str) -> int:
        """How many sessions of a user are here at this server."""
        return self._sessions.get(user_id, 0)

    def is_local(self, user_id: str) -> bool:
        """Whether this server counts the user."""
        return user_id in self._sessions or user_id in self._waited_for

    def local_names(self) -> list[str]:
        """The users that this server counts."""
        return [*self._sessions, *(name for name in self._waited_for if name not in self._sessions)]

    # ------------------------------------------------------------------ at others

    def meet(self, where: Whereabouts) -> Changes:
        """At another server are these users, and nobody else; what is older than we know is not so.

        >>> Roster().meet(Whereabouts("server 2", 1, ["lisa", "tom"]))
        Changes(came=['lisa', 'tom'], went=[], counted=False)
        """
        if where.number < self._told.get(where.server, 0):
            return NO_CHANGES
        there = {name for name, servers in self._elsewhere.items() if where.server in servers}
        went = there.difference(where.names)
        moves = where.names, sorted(went), where.member_count
        return self.move(Moves(where.server, where.number, *moves))

    def move(self, moves: Moves) -> Changes:
        """Another server says who has come and gone there."""
        server, number, came, went, count = moves
        if number < self._told.get(server, 0):
            return NO_CHANGES
        self._told[server] = number
        appeared = [name for name in came if self._came(server, name)]
        vanished = [name for name in went if self._went(server, name)]
        counted = self._counts.get(server, 0) != count
        if count:
            self._counts[server] = count
        else:
            self._counts.pop(server, None)
        return Changes(appeared, vanished, counted)

    def forget(self, server: str) -> Changes:
        """Another server is gone, and all who were there."""
        changes = self.meet(Whereabouts(server, _LAST, ()))
        self._told.pop(server, None)
        return changes

    @property
    def servers(self) -> set[str]:
        """The other servers at which somebody is."""
        return set(self._counts).union(*self._elsewhere.values())

    def _came(self, server: str, user_id: str) -> bool:
        self._elsewhere.setdefault(user_id, set()).add(server)
        return self._appear(user_id)

    def _went(self, server: str, user_id: str) -> bool:
        servers = self._elsewhere.get(user_id, set())
        servers.discard(server)
        if servers:
            return False
        self._elsewhere.pop(user_id, None)
        return self._vanish(user_id)

    # ------------------------------------------------------------------ all together

    def __len__(self) -> int:
        """How many users are in the room; one with two sessions counts once."""
        return len(self._names) + sum(self._counts.values())

    def page(self, after: str | None, limit: int) -> tuple[list[str], bool]:
        """The names of users in the room, sorted, and whether there are more.

        Args:
            after: only those after this name; None for the first.
            limit: at most so many.
        """
        start = 0 if after is None else bisect_right(self._names, after)
        return self._names[start : start + limit], start + limit < len(self._names)

    def _appear(self, user_id: str) -> bool:
        at = bisect_left(self._names, user_id)
        if self._names[at : at + 1] == [user_id]:
            return False
        self._names.insert(at, user_id)
        return True

    def _vanish(self, user_id: str) -> bool:
        at = bisect_left(self._names, user_id)
        is_here = self.is_local(user_id) or user_id in self._elsewhere
        if is_here or self._names[at : at + 1] != [user_id]:
            return False
        del self._names[at]
        return True
