"""Proposes a project for a table that nobody has described yet."""
