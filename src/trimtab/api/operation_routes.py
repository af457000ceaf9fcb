"""One route an operation: its fields come from the path, and from the query or a JSON body."""

from __future__ import annotations

import inspect
from functools import partial
from typing import Annotated, Any

import orjson
from fastapi import FastAPI, Query, Response
from pydantic import BaseModel, create_model

from trimtab.api.caller import Caller
from trimtab.api.once import IdempotencyKey, asked_once
from trimtab.config.loading import Strict
from trimtab.core.canonical import JsonObject
from trimtab.loop.actor import Actor
from trimtab.loop.operation import Operation, perform
from trimtab.loop.platform import Platform

__all__ = ["Answer", "add_operation"]


class Answer(Response):
    """An operation's answer as JSON; a number that is none (NaN) is null."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """Return ``content`` as JSON."""
        return orjson.dumps(content)


def add_operation(app: FastAPI, platform: Platform, asked: Operation) -> None:
    """Make ``app`` answer an operation whose request and answer are both JSON."""
    body = _without(asked.request, asked.path_fields, asked.name)
    kind = inspect.Parameter.KEYWORD_ONLY
    parameters = [
        inspect.Parameter(name, kind, annotation=asked.request.model_fields[name].annotation)
        for name in asked.path_fields
    ]
    parameters.append(inspect.Parameter("actor", kind, annotation=Caller))
    if asked.method == "POST":
        parameters.append(inspect.Parameter("once", kind, annotation=IdempotencyKey, default=None))
    if body is not None:
        annotation: Any = body if asked.method == "POST" else Annotated[body, Query()]
        parameters.append(inspect.Parameter("fields", kind, annotation=annotation))

    def answer(
        *, actor: Actor, once: str | None = None, fields: BaseModel | None = None, **path: Any
    ) -> JsonObject | Response:
        given = fields.model_dump(mode="json", exclude_unset=True) if fields is not None else {}
        said = {**given, **path}
        run = partial(perform, platform, name=asked.name, fields=said)
        return asked_once(platform, actor=actor, key=once, operation=asked.name, said=said, run=run)

    answer.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    app.add_api_route(
        asked.path,
        answer,
        methods=[asked.method],
        name=asked.name,
        operation_id=asked.name.replace(".", "_"),
        summary=asked.summary,
        description=f"Needs role `{asked.role}`.",
        tags=[asked.name.split(".")[0]],
    )


def _without(model: type[BaseModel], names: tuple[str, ...], operation: str) -> type[BaseModel] | None:
    kept: dict[str, Any] = {
        name: (field.annotation, field) for name, field in model.model_fields.items() if name not in names
    }
    title = "".join(part.title() for part in operation.replace("-", "_").replace(".", "_").split("_"))
    return create_model(f"{title}Request", __base__=Strict, **kept) if kept else None
