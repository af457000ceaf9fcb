"""Asks the inference server how many requests each variant answered, refused (for which columns) and failed."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Final

import structlog

from trimtab.monitoring.requests import RequestCounts

__all__ = ["read_request_counts"]

_TIMEOUT_S: Final = 2.0
_MOST_BYTES: Final = 32_000_000
_BY_STATUS: Final = "trimtab_requests_total"
_BY_COLUMN: Final = "trimtab_requests_refused_by_column_total"
# Through no proxy of the environment: the server is on this machine, and the key is nobody else's.
_direct: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))

_log = structlog.get_logger(__name__)


def read_request_counts(
    url: str | None, key: Callable[[], str | None], endpoint: str, *, at_us: int
) -> Mapping[tuple[str, int], RequestCounts]:
    """Return what all workers counted of ``endpoint``, by variant and version; nothing while no server answers.

    What a server says that cannot be read is logged, and is nothing as well: errors are only one thing to watch.
    """
    if url is None:
        return {}
    told = key()
    asked = urllib.request.Request(f"{url}/metrics", headers={} if told is None else {"X-API-Key": told})
    try:
        with _direct.open(asked, timeout=_TIMEOUT_S) as answer:
            return _counts(answer.read(_MOST_BYTES).decode(), endpoint, at_us)
    except (urllib.error.URLError, OSError, http.client.HTTPException, ValueError) as error:
        _log.warning("request_counts.unreadable", endpoint=endpoint, url=url, error=str(error)[:300])
        return {}


def _counts(text: str, endpoint: str, at_us: int) -> dict[tuple[str, int], RequestCounts]:
    # Start-up cost: only wanted where errors are watched.
    from prometheus_client.parser import text_string_to_metric_families

    by_status: dict[tuple[str, int], dict[str, int]] = defaultdict(dict)
    by_column: dict[tuple[str, int], dict[str, int]] = defaultdict(dict)
    lines = "\n".join(line for line in text.split("\n") if line.startswith((_BY_STATUS, _BY_COLUMN)))
    for family in text_string_to_metric_families(f"{lines}\n"):
        for sample in family.samples:
            labels = sample.labels
            if labels.get("endpoint") != endpoint or not labels.get("version"):
                continue
            served = labels["variant"], int(labels["version"])
            if sample.name == _BY_COLUMN:
                by_column[served][labels["column"]] = int(sample.value)
            else:
                by_status[served][labels["status"]] = int(sample.value)
    return {
        served: RequestCounts(at_us, by.get("2xx", 0), by.get("4xx", 0), by.get("5xx", 0), by_column.get(served, {}))
        for served, by in by_status.items()
    }
