"""Commands about what served, serves, and shall serve again: ``rollback``, ``history``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer
from rich.text import Text

from trimtab.cli.client import Client, connect
from trimtab.cli.next_step import tell_next
from trimtab.cli.output import AsJson, ModelArgument, ProjectOption, console, drawn_rows, escaped, say, show_rows, when
from trimtab.cli.rollout_end import await_promotion
from trimtab.cli.second_person import require_no_other
from trimtab.core.canonical import JsonObject

__all__ = ["add_to"]

_ARRIVAL_S: Final = 10.0
_TITLES: Final = ("version", "share", "bundle", "dataset", "approved by")


def add_to(app: typer.Typer) -> None:
    """Enter these commands."""
    app.command()(rollback)
    app.command()(history)


def rollback(
    model: ModelArgument,
    to: Annotated[
        int | None, typer.Option("--to", min=1, help="A version that served before; default: the one before this.")
    ] = None,
    reason: Annotated[str, typer.Option(help="Why; it goes into the audit log.")] = "",
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until the version serves.")] = True,
    project: ProjectOption = ".",
    as_json: AsJson = False,
) -> None:
    """Go back to an earlier version at once, without a canary; a rollout under way is aborted."""
    client = connect(Path(project))
    answer = client.ask("rollouts.rollback", model=model, number=to, reason=reason)
    require_no_other(answer, f"rollback of {model}")
    served = False
    if wait and answer["rollout_id"] is not None:
        await_promotion(client, model, answer["rollout_id"], as_json=as_json)
        newest = _newest(client, answer["endpoint"])
        answer |= {"serves": newest["variants"], "generation": newest["generation"]}
    if wait:
        served = client.wait(lambda: _is_served(client, answer), timeout_s=_ARRIVAL_S)
    answer["served"] = served
    say(answer, as_json, _sentence(answer, wait=wait))
    if not as_json:
        tell_next(client, model, project)


def history(
    endpoint: Annotated[str, typer.Argument(help="The endpoint's name.")],
    at: Annotated[str | None, typer.Option(help="Only what was served at this time (ISO 8601, UTC).")] = None,
    project: ProjectOption = ".",
    as_json: AsJson = False,
) -> None:
    """Say what an endpoint served, of which data, from when to when, and who made it so."""
    answer = connect(Path(project)).ask("endpoints.history", endpoint=endpoint, at=at)
    if at is None or as_json:
        rows = [{**one, **_moments(one), "why": _why(one)} for one in answer["generations"]]
        columns = ("generation", "since", "until", "variants", "actor", "started_by", "why")
        show_rows(answer, as_json, rows, columns, "")
        return
    [served] = answer["generations"]
    moments = _moments(served)
    until = "" if served["until_us"] is None else f" to {moments['until']}"
    seen = "" if served["is_seen"] else ", as it was asked for; nobody looked when it came"
    told = f"  generation {served['generation']}, {moments['since']}{until}{seen}"
    console.print(Text.assemble((endpoint, "bold"), told))
    cells = [dict(zip(_TITLES, map(Text, _cells(one)), strict=True)) for one in served["versions"]]
    console.print(drawn_rows(cells, _TITLES, console.width))
    console.print(f"set by {served['actor']}: {served['reason']}", markup=False, soft_wrap=True)
    if served["started_by"] is not None:
        because = f": {served['started_because']}" if served["started_because"] else ""
        console.print(f"rollout {served['rollout_id']}, started by {served['started_by']}{because}", markup=False)


def _moments(served: JsonObject) -> dict[str, str]:
    """Return since and until when, to the second: steps may be short."""
    told = {"since": served["since_us"], "until": served["until_us"]}
    return {name: "–" if at is None else f"{when(at)}:{at // 1_000_000 % 60:02d}" for name, at in told.items()}


def _why(served: JsonObject) -> str:
    because = served["started_because"]
    return f"{served['reason']}; started because: {because}" if because else str(served["reason"])


def _cells(version: JsonObject) -> tuple[str, ...]:
    share = f"{version['weight_pct']} %" + (" (shadow)" if version["role"] == "shadow" else "")
    decided = "–" if version["decided_by"] is None else str(version["decided_by"])
    if version["state"] not in {None, "approved"}:
        decided = f"{version['state']} by {decided}" if version["decided_by"] else str(version["state"])
    return (str(version["version"]), share, version["digest"][:12], (version["dataset"] or "–")[:12], decided)


def _is_served(client: Client, answer: JsonObject) -> bool:
    newest = _newest(client, answer["endpoint"])
    return newest["generation"] > answer["generation"] or newest["since_us"] is not None


def _newest(client: Client, endpoint: str) -> JsonObject:
    newest: JsonObject = client.ask("endpoints.history", endpoint=endpoint, limit=1)["generations"][0]
    return newest


def _sentence(answer: JsonObject, *, wait: bool) -> str:
    done = f"{escaped(answer['done'])}; " if answer["done"] else ""
    if not wait:
        started = answer["rollout_id"] is not None and not done
        under_way = f"rollout {answer['rollout_id']} has started; " if started else ""
        return f"{done}{under_way}see 'trimtab history {answer['endpoint']}'."
    shares = ", ".join(f"{name} {share}" for name, share in answer["serves"].items()) or "nothing"
    if answer["served"]:
        return f"{done}[green]{answer['endpoint']} serves {shares}[/]."
    return f"{done}{answer['endpoint']} shall serve {shares}; no server has taken it up yet; see 'trimtab status'."
