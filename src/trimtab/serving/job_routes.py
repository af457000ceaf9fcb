"""``POST /predict/NAME/async`` and ``/v1/jobs/ID``: a request that is accepted now and answered later."""

from __future__ import annotations

from typing import Final

from trimtab.core.ids import IdFactory
from trimtab.serving.asgi import ASKER, Asker, Receive, RefusedError, Response, Scope, json_response, read_body
from trimtab.serving.endpoints import LoadedEndpoint
from trimtab.serving.exchange import Exchange
from trimtab.serving.jobs import Jobs, JobState, StoredJob

__all__ = ["ASYNC_SUFFIX", "answer_job", "submit_job"]

ASYNC_SUFFIX: Final = "/async"

_KEPT: Final = frozenset({b"content-type", b"x-trimtab-variant", b"traceparent"})


async def submit_job(
    jobs: Jobs,
    endpoint: LoadedEndpoint,
    scope: Scope,
    receive: Receive,
    exchange: Exchange,
) -> Response:
    """Keep the request, and answer 202 with where its outcome will be.

    Raises:
        RefusedError: the body is too large, or too many wait.
        BackendError: it cannot be kept.
    """
    body = await read_body(scope, receive, endpoint.spec.max_body_bytes)
    headers = tuple((name, bytes(value)) for name, value in scope["headers"] if name in _KEPT)
    asker: Asker | None = scope.get(ASKER)
    job = StoredJob(
        # Whoever knows the id may read the outcome. A factory of its own: another's ids would count up from their own.
        job_id=IdFactory()(),
        endpoint=endpoint.spec.endpoint,
        headers=(*headers, (b"x-request-id", exchange.request_id.encode())),
        body=body,
        submitted_us=exchange.received_us,
        key_id=None if asker is None else asker.key_id,
    )
    await jobs.submit(job)
    where = f"/v1/jobs/{job.job_id}"
    said = JobState(job_id=job.job_id, endpoint=job.endpoint, state="queued", submitted_us=job.submitted_us)
    return json_response(said, status=202, headers=((b"location", where.encode()),))


async def answer_job(jobs: Jobs, job_id: str, scope: Scope) -> Response:
    """Answer ``GET`` and ``DELETE`` of ``/v1/jobs/ID``.

    Raises:
        NotFoundError: there is none of that id, or no longer, or another key made it.
        RefusedError: another method, or the job cannot be removed now.
    """
    method: str = scope["method"]
    asker: Asker | None = scope.get(ASKER)
    if method in {"GET", "HEAD"}:
        return json_response(await jobs.find(job_id, asker))
    if method == "DELETE":
        await jobs.remove(job_id, asker)
        return json_response({"job_id": job_id, "state": "removed"})
    raise RefusedError(
        405, f"method {method[:20]!r}: not allowed here, expected GET or DELETE", ((b"allow", b"GET, DELETE"),)
    )
