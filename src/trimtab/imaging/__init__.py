"""Images for serving and the edge. Its place is kept; nothing uses it yet."""
