"""Label tasks. Its place is kept; nothing uses it yet."""
