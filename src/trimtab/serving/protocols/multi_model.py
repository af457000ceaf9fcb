"""SageMaker's multi-model routes: load, list, show and unload models (``POST …/invoke`` is a call of invocations).

https://docs.aws.amazon.com/sagemaker/latest/dg/mms-container-apis.html
"""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qs

import msgspec

from trimtab.core.errors import ConflictError
from trimtab.serving.asgi import Receive, RefusedError, Response, Scope, json_response, read_body
from trimtab.serving.hosting import Hosting
from trimtab.serving.protocols.bodies import decode
from trimtab.serving.residence import MemoryBudgetError

__all__ = ["answer_model", "answer_models"]

_MAX_BODY_BYTES: Final = 65_536
_PAGE: Final = 100


class LoadRequest(msgspec.Struct):
    """What is to be loaded, and under which name. What else stands there is ignored."""

    model_name: str
    url: str


class HostedModel(msgspec.Struct, rename="camel"):
    """A model that is loaded."""

    model_name: str
    model_url: str


class ModelPage(msgspec.Struct, rename="camel", omit_defaults=True):
    """Loaded models, by name; where there are more, what to ask for them with."""

    models: list[HostedModel]
    next_page_token: str | None = None


_LOAD: Final = msgspec.json.Decoder(LoadRequest)


async def answer_models(hosting: Hosting, scope: Scope, receive: Receive) -> Response:
    """Answer ``POST /models``, which loads one, and ``GET /models``, which lists them.

    Raises:
        RefusedError: 409 for a name that is taken, 507 where memory is short, 405.
        TrimtabError: see `Hosting.load`.
    """
    if scope["method"] == "POST":
        request = decode(_LOAD, await read_body(scope, receive, _MAX_BODY_BYTES))
        try:
            await hosting.load(request.model_name, request.url)
        except ConflictError as error:
            raise RefusedError(409, str(error)) from None
        except (MemoryBudgetError, MemoryError) as error:
            raise RefusedError(
                507, str(error) or f"model {request.model_name!r}: no memory is left; unload one"
            ) from None
        return json_response(HostedModel(request.model_name, request.url))
    _allow(scope, "GET", "POST")
    said = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("next_page_token", [""])[0]
    models = [HostedModel(name, url) for name, url in hosting.page(said, _PAGE + 1)]
    more = len(models) > _PAGE
    return json_response(ModelPage(models[:_PAGE], models[_PAGE - 1].model_name if more else None))


async def answer_model(hosting: Hosting, name: str, scope: Scope) -> Response:
    """Answer ``GET /models/{name}`` and ``DELETE /models/{name}``.

    Raises:
        NotFoundError: it is not loaded.
        RefusedError: 405.
    """
    _allow(scope, "GET", "DELETE")
    model = HostedModel(name, hosting.url(name))
    if scope["method"] == "DELETE":
        await hosting.unload(name)
    return json_response(model)


def _allow(scope: Scope, *methods: str) -> None:
    if scope["method"] not in methods:
        listed = ", ".join(methods)
        raise RefusedError(
            405,
            f"method {scope['method'][:20]!r}: not allowed here, expected {listed}; correct it",
            ((b"allow", listed.encode()),),
        )
