"""``/links/TOKEN``: the page on which one person decides on one request, without a key, once.

Looking decides nothing, since mail scanners and chats look at every link; the form of the page does.
"""

from __future__ import annotations

import math
import re
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse, HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from trimtab.api.caller import address_of
from trimtab.api.door import PAGE_POLICY
from trimtab.api.logged_path import LINKS
from trimtab.api.rate_limits import RateLimits
from trimtab.core.canonical import JsonObject
from trimtab.core.clock import from_micros
from trimtab.core.errors import NotFoundError
from trimtab.db.engine import machine_us
from trimtab.loop.approval_links import OpenLink, link_key, open_link, use_link
from trimtab.loop.operations.approvals import told_whole
from trimtab.loop.platform import Platform
from trimtab.remediation.link import is_nonce, nonce_of
from trimtab.remediation.votes import Word

__all__ = ["link_routes"]

_TEMPLATES = Path(__file__).parent / "templates"
_FORM_BYTES = 8_000
_FORM_TYPE = "application/x-www-form-urlencoded"
_COMMENT_CHARS = 500
# What steers terminals, on which the audit log is read.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]+")
_WORDS = {Word.APPROVE: "Approve", Word.REJECT: "Reject"}


def link_routes(platform: Platform, rates: RateLimits) -> APIRouter:
    """Return the routes of ``/links``; they stand in no document, since nobody calls them but by a link."""
    router = APIRouter(include_in_schema=False)

    @router.get(f"{LINKS}style.css")
    def sheet() -> FileResponse:
        return FileResponse(_TEMPLATES / "link.css", media_type="text/css")

    @router.get(f"{LINKS}{{token}}")
    def look(request: Request, token: str) -> Response:
        try:
            return _page(200, **_shown(platform, token))
        except NotFoundError:
            return _invalid(rates, request)

    @router.post(f"{LINKS}{{token}}")
    async def decide(request: Request, token: str) -> Response:
        form = await _form(request)
        try:
            return await run_in_threadpool(_decided, platform, token, form)
        except NotFoundError:
            return _invalid(rates, request)

    return router


def _shown(platform: Platform, token: str) -> JsonObject:
    with platform.database.reading() as connection:
        opened = open_link(connection, platform, token)
        told = told_whole(connection, opened.request)
    nonce = nonce_of(link_key(platform.project), token, machine_us())
    until = from_micros(opened.link.expires_us).strftime("%Y-%m-%d %H:%M UTC")
    return {**_said(opened), "state": "asks", "request": told, "nonce": nonce, "until": until}


def _decided(platform: Platform, token: str, form: dict[str, str]) -> Response:
    if not is_nonce(link_key(platform.project), token, form.get("nonce", ""), machine_us()):
        # Sent by something that did not read the page, or long after: it is shown again, and nothing is decided.
        return _page(409, **_shown(platform, token) | {"state": "again"})
    comment = _CONTROL.sub(" ", form.get("comment", "")).strip()[:_COMMENT_CHARS]
    with platform.database.transaction() as connection:
        opened, heard = use_link(connection, platform, token, comment=comment)
        told = told_whole(connection, heard.request)
    return _page(200, **_said(opened), state="done", request=told, note=heard.note)


def _said(opened: OpenLink) -> JsonObject:
    return {"person": opened.person.who, "word": _WORDS[opened.link.word], "rejects": opened.link.word is Word.REJECT}


def _invalid(rates: RateLimits, request: Request) -> Response:
    """Return the one answer to all that is not good, whatever the reason; who sends too many has to wait."""
    wait_s = math.ceil(rates.anonymous_wait_s(address_of(request)))
    if wait_s > 0:
        raise HTTPException(
            429, f"links: too many that are not good; again in {wait_s} s", {"Retry-After": str(wait_s)}
        )
    return _page(404, state="invalid")


async def _form(request: Request) -> dict[str, str]:
    """Return the fields of a form; nothing where it is none, or too large."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM_TYPE:
        return {}
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _FORM_BYTES:
            return {}
    try:
        fields = parse_qs(body.decode("ascii"), max_num_fields=8, keep_blank_values=True)
    except ValueError:
        return {}
    return {name: values[0] for name, values in fields.items()}


def _page(status: int, **values: Any) -> Response:
    page = _template().render({"note": "", **values})
    return HTMLResponse(page, status_code=status, headers={"content-security-policy": PAGE_POLICY})


@lru_cache(maxsize=1)
def _template() -> Any:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["number"] = _number
    return environment.get_template("link.html.j2")


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.4g}"
