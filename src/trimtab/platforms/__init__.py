"""Engines from outside the house. Its place is kept; nothing uses it yet."""
