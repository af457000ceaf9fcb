"""What a protocol reads out of a request: the rows that are asked, and how their answer is to be told."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from trimtab.serving.asgi import Response
from trimtab.serving.endpoints import LoadedVariant
from trimtab.serving.exchange import NOTHING_SAID, Answer, Exchange, RowContext

__all__ = ["Question"]


class Question(NamedTuple):
    """One request, read. ``asked``: the variant that it names. A tuple, since one is made for each request."""

    rows: Sequence[Mapping[str, Any]]
    respond: Callable[[Answer, Exchange], Response]
    context: RowContext = NOTHING_SAID
    asked: LoadedVariant | None = None
