"""Things to touch in JupyterLab; each is usable from Python too, and leaves a stand-in in print."""

from goim_edu.errors import needs_extra

with needs_extra("browser"):
    from goim_edu.widgets.bson_lab import BsonLab
    from goim_edu.widgets.chat_panel import ChatPanel
    from goim_edu.widgets.deflate_lab import DeflateLab
    from goim_edu.widgets.frame_lab import FrameLab
    from goim_edu.widgets.handshake_lab import HandshakeLab
    from goim_edu.widgets.heartbeat_lab import HeartbeatLab
    from goim_edu.widgets.mask_lab import MaskLab
    from goim_edu.widgets.wire_tap import WireTap

__all__ = [
    "BsonLab",
    "ChatPanel",
    "DeflateLab",
    "FrameLab",
    "HandshakeLab",
    "HeartbeatLab",
    "MaskLab",
    "WireTap",
]
