"""Coverage-guided fuzzing of what reads a stranger's octets; see README.md."""
