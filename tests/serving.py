"""The chat server as a process of its own, to be stopped, killed and started again."""

from goim_edu.lab.server_process import ServerProcess

__all__ = ["ServerProcess"]
