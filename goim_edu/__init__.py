"""Learn how instant messaging works, byte by byte: WebSocket, a chat server and MongoDB.

Import the floor that you want to look at; each has a notebook of the same name:

>>> from goim_edu.protocol import build_frame
>>> build_frame(b"Hello").hex(" ")
'81 05 48 65 6c 6c 6f'
"""

__version__ = "0.1.0"
