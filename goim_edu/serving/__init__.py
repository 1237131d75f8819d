"""What a server is made of: its settings, its pages, its metrics and the socket it listens on."""
