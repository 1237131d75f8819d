"""The chat: words on the wire, sessions that speak them, rooms that order them, one hub.

    requests    what a client may ask for
    vocabulary  every message that a client or the server may send, in JSON and in BSON
    auth        checks the name of a user: any name is believed, or a token must prove it
    limits      what one client may ask for
    ports       what is asked of the store, and what it answers
    broadcast   one reply for many: encoded once per wire format, the same bytes for all
    news        presence, typing and read marks: what may come late, and what it may cost
    room        its members, the order of messages, and the fan-out to the members
    hub         all sessions and rooms of a server, their limits, and the way to the store
    errands     what a session asks of the store, one after the other
    hooks       what a program of yours can be told
    past        missed messages and history, told in portions
    guest       a client as far as its name: the check of its hello
    session     one connected client: requests, rate limit, rooms

The way of a message: session decodes and checks it, the store gives it a number, then the sender
gets its ``ack`` and every member of the room the ``message``.
"""

from goim_edu.chat.limits import ChatLimits

__all__ = ["ChatLimits"]
