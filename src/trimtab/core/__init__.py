"""Ids, enums, errors, clock: what every room may use. No I/O."""
