"""The table of what can be asked of the control plane. The API's routes and the command line's client come from it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from pydantic import BaseModel, ValidationError

from trimtab.core.canonical import JsonObject
from trimtab.core.enums import Role
from trimtab.core.errors import ConfigError
from trimtab.loop.actor import Actor

if TYPE_CHECKING:
    from trimtab.loop.platform import Platform

__all__ = ["OPERATIONS", "Operation", "operation", "perform"]

Method = Literal["GET", "POST"]
RequestT = TypeVar("RequestT", bound=BaseModel)
Run = Callable[["Platform", Actor, RequestT], JsonObject]


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that can be asked: how over HTTP, by whom, with what, and who answers."""

    name: str
    method: Method
    path: str
    role: Role
    request: type[BaseModel]
    run: Callable[[Any, Actor, Any], JsonObject]

    @property
    def summary(self) -> str:
        """First line of what the operation says of itself."""
        return (self.run.__doc__ or self.name).strip().splitlines()[0]

    @property
    def path_fields(self) -> tuple[str, ...]:
        """Request fields that stand in the path."""
        return tuple(re.findall(r"{(\w+)}", self.path))


OPERATIONS: dict[str, Operation] = {}


def operation(
    name: str, method: Method, path: str, role: Role, request: type[RequestT]
) -> Callable[[Run[RequestT]], Run[RequestT]]:
    """Enter the decorated function into the table."""

    def enter(run: Run[RequestT]) -> Run[RequestT]:
        OPERATIONS[name] = Operation(name=name, method=method, path=path, role=role, request=request, run=run)
        return run

    return enter


def perform(platform: Platform, actor: Actor, name: str, fields: JsonObject) -> JsonObject:
    """Check role and request, then answer.

    Raises:
        PermissionDeniedError: the actor's role does not reach the operation's.
        ConfigError: the request does not fit.
        TrimtabError: whatever the operation says.
    """
    asked = OPERATIONS[name]
    actor.require(asked.role, asked.name)
    try:
        request = asked.request.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "request"
        found = repr(first["input"])
        found = found if len(found) <= 80 else found[:77] + "..."
        expected = first["msg"].removeprefix("Value error, ")
        raise ConfigError(f"{name}: {where}: found {found}; {expected[:1].lower()}{expected[1:]}") from None
    return asked.run(platform, actor, request)
