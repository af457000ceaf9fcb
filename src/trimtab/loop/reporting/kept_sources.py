"""How a version is served, watched and governed, said in sentences, by the names that the annex's points ask for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from trimtab.config.durations import format_duration
from trimtab.config.project import ProjectConfig
from trimtab.core.enums import Verdict
from trimtab.core.wording import counted
from trimtab.loop.reporting.version_facts import VersionFacts
from trimtab.records.hindrance import JournalHealth
from trimtab.remediation.kinds import ActionKind, Ruling
from trimtab.reports.evidence import AuditProof
from trimtab.reports.wording import number_text, time_text
from trimtab.serving.spec import OnFull

__all__ = ["kept"]

_MOST: Final = 15


def kept(
    facts: VersionFacts, config: ProjectConfig, audit: AuditProof, recording: Sequence[JournalHealth] = ()
) -> Mapping[str, tuple[str, ...]]:
    """Return what is known by source; what is not known has no sentence.

    ``recording``: what the inference server's processes say of recording what they answer.
    """
    found = {
        "versions": _versions(facts),
        "interfaces": _interfaces(facts),
        "forms": _forms(facts),
        "architecture": _architecture(),
        "automatic_changes": _automatic(facts),
        "security": _security(facts, config, audit),
        "live": _live(facts, "model_quality", "estimated_quality"),
        "live_groups": _live(facts, "fairness"),
        "oversight": _oversight(facts),
        "cases": _cases(facts),
        "policy": _policy(facts),
        "changes": _changes(facts),
        "configurations": _configurations(facts),
        "monitors": _monitors(facts, config),
        "logging": _logging(facts, audit, recording),
        "retention": _retention(config),
        "this_document": iter(("written from the records at the time below; make it again after each change",)),
    }
    return {name: tuple(texts) for name, texts in found.items()}


def _versions(facts: VersionFacts) -> Iterator[str]:
    version = facts.version
    yield f"version {version.number} of {len(facts.versions)}, {version.state}; bundle {version.digest}"
    earlier = next((one for one in facts.versions if one.number < version.number), None)
    yield "the first version" if earlier is None else f"before it: version {earlier.number} ({earlier.algorithm})"


def _interfaces(facts: VersionFacts) -> Iterator[str]:
    yield f"HTTP, endpoint {facts.files.endpoint}: plain JSON on /predict, Open Inference Protocol v2, /invocations"
    yield f"it answers {facts.files.model.answers}"


def _forms(facts: VersionFacts) -> Iterator[str]:
    yield "a service that is asked over HTTP"
    if facts.manifest is not None:
        yield f"a bundle of {len(facts.manifest.files) + 1} files, whose digest covers all of them"


def _architecture() -> Iterator[str]:
    yield "deliveries → contract and quarantine → snapshot → training → bundle → registry → rollout → endpoint"
    yield "records and outcomes → monitors → cases → diagnosis → policy → approval → action → verification"
    yield "every decision is an entry of the audit log"


def _automatic(facts: VersionFacts) -> Iterator[str]:
    retrain = facts.files.retrain
    pause = format_duration(retrain.cooldown)
    yield f"the condition of retrain_config.yaml asks for a retraining, once in {pause} at most"
    if not facts.files.deployment.approval.required:
        yield "a version may go out while nobody has decided about it"
    elif facts.policy is None:
        yield f"a version goes out only once it is approved; whether a rule may approve it is not known: {_why(facts)}"
    elif facts.policy.floor_of(ActionKind.DEPLOY) is Ruling.AUTOMATIC:
        yield (
            "a version goes out only once it is approved; a retrained one that is found as good may be approved by the "
            "policy, without a person (allow_automatic names deploy)"
        )
    else:
        yield "a version goes out only after a person has approved it, or its release with the retraining that made it"
    if facts.other_files:
        yield f"so say the files as they are today: {facts.other_files}"


def _why(facts: VersionFacts) -> str:
    return facts.missing.get("policy", "its policy could not be read")


def _security(facts: VersionFacts, config: ProjectConfig, audit: AuditProof) -> Iterator[str]:
    yield f"the bundle is loaded only if its files have the digest {facts.version.digest[:16]}…; loading runs no code"
    yield "callers of the control plane hold keys with a role, stored as hashes"
    where = "this machine only" if config.api.host in {"127.0.0.1", "localhost", "::1"} else config.api.host
    yield f"the control plane listens on {where}"
    if config.serving.keys is not None:
        yield "callers of the endpoint hold keys"
    if audit.verified is not None:
        yield f"the audit log is a chain of hashes; read just now, it {audit.verdict}"


def _live(facts: VersionFacts, *kinds: str) -> Iterator[str]:
    for (monitor, metric), row in sorted(facts.lives.items()):
        if row.kind in kinds and row.verdict != Verdict.INCONCLUSIVE:
            value, limit = number_text(row.value), number_text(row.threshold)
            yield f"{metric} {value} (limit {limit}, {monitor}, {time_text(row.at_us)})"


def _oversight(facts: VersionFacts) -> Iterator[str]:
    decided = facts.version.decided_by
    yield f"this version was {facts.version.state} by {decided}" if decided else "nobody has decided about this version"
    if facts.policy is None:
        return
    floors = {action: facts.policy.floor_of(action).value.replace("_", " ") for action in ActionKind}
    for tier in dict.fromkeys(floors.values()):
        names = [action.value.replace("_", " ") for action, found in floors.items() if found == tier]
        yield f"{tier} at least: {', '.join(names)}"
    yield "a roll back to the version before, and a switch that ends all actions of the platform's own, are at hand"


def _cases(facts: VersionFacts) -> Iterator[str]:
    yield f"{counted(facts.case_count, 'case')} on record"
    for case in facts.cases[:_MOST]:
        end = "still open" if case.closed_us is None else f"closed {time_text(case.closed_us)}"
        yield f"{time_text(case.opened_us)}: {case.title} ({end})"


def _policy(facts: VersionFacts) -> Iterator[str]:
    policy = facts.policy
    if policy is None:
        return
    yield f"{len(policy.rules)} rules in policy.yaml, digest {facts.policy_hash[:16]}…; the first that matches decides"
    limits = policy.limits
    pause = format_duration(limits.cooldown)
    yield f"between two actions of a kind: {pause}; in a day at most {limits.actions_per_day}"
    yield (
        "the platform acts by itself where a rule says so" if policy.autonomy else "the platform does nothing by itself"
    )


def _changes(facts: VersionFacts) -> Iterator[str]:
    yield (
        f"{counted(len(facts.versions), 'version')}, {counted(len(facts.rollouts), 'rollout')}, "
        f"{counted(facts.generations, 'state')} of the endpoint"
    )
    for one in facts.rollouts[:_MOST]:
        before = "nothing" if one.spec.stable is None else f"version {one.spec.stable.number}"
        phase = one.state.phase.value.replace("_", " ")
        yield f"{time_text(one.started_us)}: version {one.spec.candidate.number} after {before}, {phase}"


def _configurations(facts: VersionFacts) -> Iterator[str]:
    for one in facts.versions[:_MOST]:
        commit = one.spec.get("git_commit")
        where = f", commit {commit}" if commit else ", no commit is known"
        yield f"version {one.number}: configuration {one.spec.get('config_hash') or 'not known'}{where}"


def _monitors(facts: VersionFacts, config: ProjectConfig) -> Iterator[str]:
    if facts.other_files:
        yield f"as the files say today: {facts.other_files}"
    monitoring = facts.files.monitoring
    for monitor in monitoring.monitors:
        window = format_duration(monitoring.window_of(monitor))
        yield f"{monitor.title}: over {window}, at '{monitoring.schedule_of(monitor)}' UTC, told as {monitor.severity}"
    routes = ", ".join(f"{one.name} (from {one.min_severity} on)" for one in config.notifications)
    yield f"who is told: {routes or 'nobody but the log'}"


def _logging(facts: VersionFacts, audit: AuditProof, recording: Sequence[JournalHealth]) -> Iterator[str]:
    yield f"{number_text(float(audit.head_sequence))} entries in the audit log, each holding the hash of the one before"
    yield "an answer is a record, with version, generation and time, before it leaves"
    if facts.files.deployment.on_full is OnFull.SHED:
        yield "what cannot be recorded is answered all the same, WITHOUT a record, and counted (on_full: shed)"
    else:
        yield "what cannot be recorded is not answered (on_full: refuse)"
    refused, shed = sum(one.rows_refused for one in recording), sum(one.rows_shed for one in recording)
    if refused or shed:
        yield (
            f"since the inference server started, of all endpoints: {counted(refused, 'row')} refused for it, "
            f"{counted(shed, 'row')} answered without a record"
        )


def _retention(config: ProjectConfig) -> Iterator[str]:
    yield f"the audit log is to be kept for {format_duration(config.audit.keep)}; the platform deletes none of it"
    yield "records of answers stay in the lake until whoever runs it removes them"
