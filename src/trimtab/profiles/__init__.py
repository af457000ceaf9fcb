"""Mergeable summaries of recorded rows."""
