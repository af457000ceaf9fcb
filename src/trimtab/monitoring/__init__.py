"""Checks on windows of what was served."""
