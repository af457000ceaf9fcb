"""Monitoring: run the checks now (or as of a moment), and show what they said."""

from __future__ import annotations

from pydantic import Field

from trimtab.core.canonical import JsonObject
from trimtab.core.enums import Role, Verdict
from trimtab.db.paging import Place, page_of
from trimtab.loop.actor import Actor
from trimtab.loop.newest_looks import LOUDEST_FIRST
from trimtab.loop.operation import operation
from trimtab.loop.platform import Platform
from trimtab.loop.requests import ModelRequest, Moment, PageToken
from trimtab.loop.schedules import run_monitors_now
from trimtab.loop.standing import newest_checks
from trimtab.monitoring.check import Check
from trimtab.monitoring.store import recent_checks


class RunMonitors(ModelRequest):
    """As of when: windows end there, and later outcomes are not known yet."""

    at: Moment | None = Field(default=None, description="Event time at which windows end; default: now.")


class ShowChecks(ModelRequest):
    """Of which model, which verdict, and how many."""

    after: PageToken | None = Field(default=None, description="With a limit: `next` of the page before.")
    limit: int | None = Field(
        default=None, ge=1, le=500, description="How many, of all runs; default: each monitor's last run, whole."
    )
    verdict: Verdict | None = Field(default=None, description="Only checks that say this.")


@operation("monitoring.run", "POST", "/api/models/{model}/monitor", Role.OPERATOR, RunMonitors)
def run_now(platform: Platform, actor: Actor, request: RunMonitors) -> JsonObject:
    """Run all monitors of a model now."""
    files = platform.files(request.model)
    run = run_monitors_now(platform, files, at=request.at or platform.clock.now(), actor=actor.name)
    checks = [described(check) for check in run.checks]
    return {"run_id": run.id, "model": run.model, "at": run.at.isoformat(), "checks": checks}


@operation("monitoring.checks", "GET", "/api/models/{model}/checks", Role.VIEWER, ShowChecks)
def show_checks(platform: Platform, _actor: Actor, request: ShowChecks) -> JsonObject:
    """Show what each monitor of a model said last, breaches first; with a limit the newest checks, newest first.

    Runs as of a moment that has not come are left out.
    """
    now_us = platform.now_us()
    which = newest_checks(platform.files(request.model), now_us) if request.limit is None else None
    with platform.database.reading() as connection:
        found = recent_checks(
            connection,
            request.model,
            None if request.limit is None else request.limit + 1,
            verdict=request.verdict,
            until_us=now_us,
            which=which,
            after=None if request.after is None else Place.of_token(request.after),
        )
    further = None
    if request.limit is not None:
        found, further = page_of(found, lambda one: one.place, limit=request.limit)
    else:
        found.sort(key=lambda one: LOUDEST_FIRST.index(one.check.verdict))
    checks = [{**described(one.check), "at_us": one.at_us} for one in found]
    return {"model": request.model, "checks": checks, "next": further}


def described(check: Check) -> JsonObject:
    """Return a check as the API tells it."""
    return {
        "monitor": check.monitor,
        "kind": check.kind,
        "column": check.column,
        "variant": check.variant,
        "version": check.model_version,
        "verdict": check.verdict.value,
        "value": check.value,
        "threshold": check.threshold,
        "severity": check.severity.value,
        "window_start_us": check.window.start_us,
        "window_end_us": check.window.end_us,
        "explanation": check.explanation,
        "causes": check.detail.get("causes", []),
    }
