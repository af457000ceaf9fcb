"""Feature definitions and stores. Its place is kept; nothing uses it yet."""
