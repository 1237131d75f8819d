"""WebSocket without I/O: RFC 6455, compression (RFC 7692) and the HTTP it needs (RFC 9112)."""
