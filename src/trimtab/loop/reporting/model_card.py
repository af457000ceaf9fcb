"""What the card of a version shows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from sqlalchemy import func, select

from trimtab.core.enums import Verdict
from trimtab.db.engine import Connection
from trimtab.db.tables import delivery
from trimtab.loop.platform import Platform
from trimtab.loop.reporting.proof import proof_of, witnesses_of
from trimtab.loop.reporting.version_facts import VersionFacts, facts_of
from trimtab.loop.reporting.versions import lineage_of
from trimtab.reports.documentation import DocumentationConfig
from trimtab.reports.model_card import CardGroup, CardLive, CardVersion, ModelCardData
from trimtab.reports.wording import number_text

__all__ = ["gates_of", "model_card_data", "sources_of"]

_WRITTEN: Final = (
    "provider.name",
    "purpose.intended",
    "purpose.users",
    "purpose.affected",
    "purpose.not_for",
    "data.collection",
    "data.labelling",
    "data.known_biases",
    "data.personal_data",
    "limitations",
    "risks",
    "ethics",
)


def model_card_data(platform: Platform, subject: str) -> ModelCardData:
    """Return what is shown of ``MODEL@VERSION``; of ``MODEL`` the version that serves, else the newest.

    Raises:
        ConfigError: ``subject`` names neither, or a file of the model does not fit.
        NotFoundError: there is no such model or version.
    """
    witnesses = witnesses_of(platform)
    with platform.database.reading() as connection:
        facts = facts_of(connection, platform, subject)
        sources = sources_of(connection, facts)
        audit = proof_of(connection, [facts.version.subject], witnesses)
    files, version, manifest, stored = facts.files, facts.version, facts.manifest, facts.snapshot
    calibration = None if manifest is None else manifest.calibration
    return ModelCardData(
        project=platform.project.config.project,
        model=files.model.name,
        number=version.number,
        description=files.model.description,
        generated_us=platform.now_us(),
        task=files.model.task.value,
        target=files.model.target,
        algorithm=version.algorithm,
        created_us=version.created_us,
        state=version.state.value,
        decided_by=version.decided_by,
        is_serving=facts.is_serving,
        primary_metric=files.model.main_metric,
        metrics=version.metrics,
        gates=gates_of(facts),
        rows=None if stored is None else stored.rows,
        span=(None, None) if stored is None else (stored.span_start_us, stored.span_end_us),
        sources=sources,
        features=tuple(_features(facts)),
        weighed_by="" if facts.manifest is None else facts.manifest.weights[1],
        written=_written(facts.documentation),
        lineage=lineage_of(version),
        classes=() if manifest is None else manifest.classes,
        threshold=None if manifest is None or manifest.positive_class is None else manifest.decision_threshold,
        calibration=""
        if calibration is None
        else f"by {calibration.method} on {number_text(calibration.rows)} rows: expected calibration error "
        f"{number_text(calibration.ece_before)} → {number_text(calibration.ece_after)}",
        groups=tuple(_groups(facts)),
        lives=tuple(_lives(facts)),
        versions=tuple(_versions(facts)),
        missing=facts.missing,
        audit=audit,
    )


def gates_of(facts: VersionFacts) -> tuple[str, ...]:
    """Return the gates that the version had to pass, and its values."""
    return tuple(
        f"{gate['metric']} {gate['limit']}: {number_text(gate['value'])}, {'passed' if gate['passed'] else 'failed'}"
        for gate in facts.result.get("gates", ())
    )


def sources_of(connection: Connection, facts: VersionFacts) -> tuple[str, ...]:
    """Return who delivered what the version learnt from, with how many rows; what is not known is said."""
    stored = facts.snapshot
    if stored is None:
        return ()
    digests = [f"{stored.model}:{digest}" for digest in stored.spec.get("deliveries", [])]
    query = (
        select(delivery.c.source, func.count(), func.sum(delivery.c.rows_passed))
        .where(delivery.c.digest.in_(digests))
        .group_by(delivery.c.source)
        .order_by(delivery.c.source)
    )
    found = connection.execute(query).all()
    told = [
        f"{source or 'no feed named'} ({number_text(rows or 0)} rows in {count} files)" for source, count, rows in found
    ]
    lost = len(set(digests)) - sum(count for _, count, _ in found)
    if lost > 0:
        told.append(f"{lost} {'delivery that is' if lost == 1 else 'deliveries that are'} not recorded any more")
    produced = stored.spec.get("production_rows") or 0
    if produced:
        told.append(f"what {stored.spec.get('endpoint')} was asked, with its outcomes ({number_text(produced)} rows)")
    return tuple(told)


def _written(documentation: DocumentationConfig) -> dict[str, str]:
    return {entry: documentation.text_of(entry) for entry in _WRITTEN}


def _features(facts: VersionFacts) -> Iterable[tuple[str, str, float | None]]:
    manifest = facts.manifest
    if manifest is None:
        return
    weights, _method = manifest.weights
    for feature in sorted(manifest.features, key=lambda one: -weights.get(one.name, 0.0)):
        unit = f", {feature.unit}" if feature.unit else ""
        yield feature.name, f"{feature.kind.value}{unit}", weights.get(feature.name)


def _groups(facts: VersionFacts) -> Iterable[CardGroup]:
    groups = {} if facts.manifest is None else facts.manifest.groups
    for by, rates in groups.items():
        for rate, shares in rates.items():
            for group, share in shares.items():
                yield CardGroup(by, group, rate, share.value, share.rows)


def _lives(facts: VersionFacts) -> Iterable[CardLive]:
    for (_monitor, metric), row in sorted(facts.lives.items()):
        yield CardLive(
            metric=metric,
            value=row.value,
            limit=row.threshold,
            verdict=Verdict(row.verdict),
            at_us=row.at_us,
            told=str(row.spec["explanation"]),
        )


def _versions(facts: VersionFacts) -> Iterable[CardVersion]:
    metric = facts.files.model.main_metric
    for one in facts.versions:
        yield CardVersion(one.number, one.algorithm, one.created_us, one.state.value, one.metrics.get(metric))
