"""What to do next: small rules whose names are sentences, asked in order about the stored facts.

What is wrong is all told; of the way from data to a model that is watched, only the next step.
"""

from __future__ import annotations

import json
import shlex
from datetime import UTC, timedelta

from trimtab.core.clock import from_micros
from trimtab.core.enums import Verdict
from trimtab.loop.platform_advice import Advice
from trimtab.loop.problems import PROBLEMS, Rule
from trimtab.loop.standing import Standing
from trimtab.registry.versions import ModelVersion, VersionState
from trimtab.rollout.phases import Phase

__all__ = ["STEPS", "advice_about"]

_LONG_ROW = 400


def advice_about(model: Standing) -> list[Advice]:
    """Return what is wrong with ``model``, and the next step on its way; never empty."""
    wrong = [advice for rule in PROBLEMS if (advice := rule(model)) is not None]
    step = next(advice for rule in STEPS if (advice := rule(model)) is not None)
    # That nothing is to be done is no comfort beside a list of what is; nor is one command said twice.
    needless = wrong and (step.command is None or step.command in {one.command for one in wrong})
    return wrong if needless else [*wrong, step]


def a_file_is_being_judged(model: Standing) -> Advice | None:
    """A delivery waits for the contract, and nothing has passed before."""
    if not model.delivered.not_judged or model.delivered.rows_passed or model.newest is not None:
        return None
    return Advice(f"{model.model}: what was delivered is being judged", f"trimtab deliveries --model {model.model}")


def nothing_was_delivered(model: Standing) -> Advice | None:
    """There is no row to learn from."""
    if model.delivered.rows_passed or model.newest is not None or model.training is not None:
        return None
    why = "no row has passed the contract yet" if model.delivered.newest_state else "no data was delivered yet"
    return Advice(f"{model.model}: {why}", f"trimtab ingest {model.model} FILE")


def a_training_runs(model: Standing) -> Advice | None:
    """A job is under way."""
    job = model.training
    if job is None or job.is_over:
        return None
    if job.waits:
        return Advice(f"{model.model}: the training is waiting {job.waits}", f"trimtab jobs show {job.id}")
    how_far = f"{job.at_share:.0%} done, {job.message}" if job.message else "waiting to start"
    return Advice(f"{model.model}: a training runs ({how_far})", f"trimtab jobs show {job.id}")


def a_rollout_waits_for_a_person(model: Standing) -> Advice | None:
    """A rollout is held."""
    rollout = model.rollout
    if rollout is None or rollout.unread is not None or not rollout.state.phase.is_held:
        return None
    waits = "is paused" if rollout.state.phase is Phase.PAUSED else "waits for your decision"
    reason = (rollout.last or {}).get("reason", "")
    may_promote = rollout.state.is_promotable
    verb = "promote" if may_promote and rollout.state.phase is not Phase.PAUSED else "resume"
    if (rollout.last or {}).get("verdict") == Verdict.BREACH:
        verb = "abort"
    possible = "resume, promote or abort" if may_promote else "resume or abort"
    return Advice(
        f"{model.model}: the rollout of version {rollout.spec.candidate.number} {waits} at "
        f"{rollout.state.weight_pct} % ({reason}); {possible} it",
        f"trimtab rollouts {verb} {rollout.id} --reason 'why'",
    )


def a_rollout_runs(model: Standing) -> Advice | None:
    """A rollout moves by itself."""
    rollout = model.rollout
    if rollout is None or rollout.unread is not None:
        return None
    return Advice(
        f"{model.model}: version {rollout.spec.candidate.number} is being rolled out, {rollout.state.phase} at "
        f"{rollout.state.weight_pct} %: {rollout.reason}",
        "trimtab status --watch",
    )


def an_action_is_under_way(model: Standing) -> Advice | None:
    """Something was agreed to, and has not ended; what it brought about is told before."""
    if not model.under_way:
        return None
    action = model.under_way[-1]
    return Advice(f"{model.model}: agreed and under way: {action.purpose}", "trimtab status --watch")


def the_newest_version_waits(model: Standing) -> Advice | None:
    """A version was registered, and nobody has decided on it."""
    newest = model.newest
    if newest is None or newest.state is not VersionState.PENDING:
        return None
    compare = f"; against the one that serves: trimtab compare {model.model}" if model.serves else ""
    return Advice(
        f"{model.model}: version {newest.number} ({newest.algorithm}, {_scores(newest)}) waits for approval{compare}",
        f"trimtab versions approve {model.model}@{newest.number}",
    )


def nothing_was_trained(model: Standing) -> Advice | None:
    """There are rows, and no version."""
    if model.newest is not None:
        return None
    return Advice(
        f"{model.model}: {model.delivered.rows_passed} rows are ready to learn from", f"trimtab train {model.model}"
    )


def the_last_rollout_went_back(model: Standing) -> Advice | None:
    """The newest approved version was rolled out, and did not stay."""
    rollout, newest = model.last_rollout, model.newest
    if rollout is None or newest is None or newest.state is not VersionState.APPROVED:
        return None
    if rollout.spec.candidate.number != newest.number or rollout.state.phase is Phase.PROMOTED:
        return None
    if newest.number in (model.serves or {}):
        return None
    reason = (rollout.last or {}).get("reason", "")
    ended = "was rolled back" if rollout.state.phase is Phase.ROLLED_BACK else "failed"
    again = f"trimtab deploy {model.model}@{newest.number}"
    return Advice(
        f"{model.model}: the rollout of version {newest.number} {ended}: {reason}"
        + (f"; what served before serves on. To try again: {again}" if model.serves else ""),
        f"trimtab compare {model.model}" if model.serves else again,
    )


def an_approved_version_is_not_deployed(model: Standing) -> Advice | None:
    """The newest version may serve, and does not."""
    newest = model.newest
    if newest is None or newest.state is not VersionState.APPROVED or newest.number in (model.serves or {}):
        return None
    tried = model.last_rollout is not None and model.last_rollout.spec.candidate.number == newest.number
    if tried or model.newest_has_served:
        # Somebody or something went back from it.
        return None
    return Advice(
        f"{model.model}: version {newest.number} is approved and does not serve yet",
        f"trimtab deploy {model.model}@{newest.number}",
    )


def no_version_may_serve(model: Standing) -> Advice | None:
    """The newest version was rejected or waits, and nothing serves."""
    if model.serves or model.newest is None or model.newest.state is VersionState.APPROVED:
        return None
    return Advice(
        f"{model.model}: version {model.newest.number} is {model.newest.state} and nothing serves",
        f"trimtab train {model.model}",
    )


def nothing_was_asked(model: Standing) -> Advice | None:
    """A version serves, and no request has come."""
    if not model.serves or model.records:
        return None
    return Advice(f"{model.model}: {_serving(model)}; nobody has asked it anything yet", predict_command(model))


def outcomes_are_not_due(model: Standing) -> Advice | None:
    """Requests came; their outcomes cannot be known so soon."""
    if model.truths or not model.records or model.first_record_us is None:
        return None
    due = from_micros(model.first_record_us) + model.label_delay
    if not model.label_delay or from_micros(model.now_us) >= due:
        return None
    return Advice(
        f"{model.model}: {_rows(model.records)} answered; their outcomes are known after {_span(model.label_delay)}, "
        f"the first at {due.astimezone(UTC):%Y-%m-%d %H:%M}: nothing to do until then",
    )


def outcomes_are_missing(model: Standing) -> Advice | None:
    """Requests came, and nobody has told how it really was."""
    if model.truths or not model.records:
        return None
    by = f" --key {shlex.quote(model.record_key)}" if model.record_key else ""
    at = f" --time {shlex.quote(model.event_time)}" if model.event_time else ""
    return Advice(
        f"{model.model}: {_rows(model.records)} answered, and no true outcome told: quality cannot be watched "
        "without; send them to /v1/ground-truth, or with a file of rows that were not delivered before",
        f"trimtab replay {model.endpoint} FILE{at}{by} --truth {shlex.quote(model.target)}",
    )


def nothing_was_checked(model: Standing) -> Advice | None:
    """Rows and outcomes are there, and the monitors have not run."""
    if model.checked or not model.records:
        return None
    return Advice(f"{model.model}: {_rows(model.records)} answered, not checked yet", f"trimtab monitor {model.model}")


def newer_rows_were_not_checked(model: Standing) -> Advice | None:
    """The monitors had too few rows to judge, and more have come."""
    if not model.newer_rows:
        return None
    return Advice(
        f"{model.model}: {_rows(model.newer_rows)} answered since the last checks, which had too few to judge; the "
        "next come by their schedule, or at once",
        f"trimtab monitor {model.model}",
    )


def all_is_well(model: Standing) -> Advice:
    """There is nothing to do."""
    return Advice(f"{model.model}: {_serving(model)}; nothing to do")


STEPS: tuple[Rule, ...] = (
    a_training_runs,
    a_rollout_waits_for_a_person,
    a_rollout_runs,
    an_action_is_under_way,
    the_newest_version_waits,
    a_file_is_being_judged,
    nothing_was_delivered,
    nothing_was_trained,
    the_last_rollout_went_back,
    an_approved_version_is_not_deployed,
    no_version_may_serve,
    nothing_was_asked,
    outcomes_are_not_due,
    outcomes_are_missing,
    nothing_was_checked,
    newer_rows_were_not_checked,
    all_is_well,
)
"""The way: the first that holds is the next step."""


def predict_command(model: Standing) -> str:
    """Return the command that asks ``model`` with a row it can answer, written out where it is short enough to read.

    >>> print(predict_command(Standing("churn", "churn", 0, example={"plan": "basic", "age": 54})))
    trimtab predict churn '{"plan": "basic", "age": 54}'
    """
    row = "" if model.example is None else json.dumps(model.example, ensure_ascii=False)
    if not row or len(row) > _LONG_ROW:
        return f"trimtab predict {model.endpoint} --example"
    return f"trimtab predict {model.endpoint} {shlex.quote(row)}"


def _serving(model: Standing) -> str:
    shares = ", ".join(f"version {number} ({share})" for number, share in sorted((model.serves or {}).items()))
    return f"{shares} serves" if shares else "nothing serves"


def _scores(version: ModelVersion) -> str:
    return ", ".join(f"{name} {value:.3g}" for name, value in list(version.metrics.items())[:2]) or "no metrics"


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count} rows"


def _span(span: timedelta) -> str:
    return (
        f"{span.days} d" if span.days else f"{span.seconds // 3600} h" if span.seconds >= 3600 else f"{span.seconds} s"
    )
