"""What an endpoint may be called: its name stands in addresses, and names files and folders."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["ENDPOINT_NAME_RULE", "is_endpoint_name"]

ENDPOINT_NAME_RULE: Final = "1 to 100 lower-case letters, digits and '-', the first no '-'"

_ENDPOINT_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,99}")


def is_endpoint_name(name: str) -> bool:
    """Return whether an endpoint may be called ``name``, which may come from anybody.

    >>> is_endpoint_name("heart-disease"), is_endpoint_name("heart.shadow"), is_endpoint_name("Heart")
    (True, False, False)
    """
    return _ENDPOINT_NAME.fullmatch(name) is not None
