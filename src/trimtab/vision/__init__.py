"""The edge pipeline. Its place is kept; nothing uses it yet."""
