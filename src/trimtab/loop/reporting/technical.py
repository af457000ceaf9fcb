"""What the technical documentation of a version shows: sentences from records, and what people wrote."""

from __future__ import annotations

from trimtab.loop.platform import Platform
from trimtab.loop.reporting.kept_sources import kept
from trimtab.loop.reporting.made_sources import made
from trimtab.loop.reporting.model_card import gates_of, sources_of
from trimtab.loop.reporting.proof import proof_of, witnesses_of
from trimtab.loop.reporting.version_facts import VersionFacts, facts_of
from trimtab.records.hindrance import healths_of
from trimtab.reports.technical import TechnicalReportData
from trimtab.reports.technical_points import REQUIREMENTS
from trimtab.reports.wording import time_text

__all__ = ["technical_data"]

_FROM_TRAINING = ("steps", "compute")
_FROM_BUNDLE = ("output", "interpretation", "parity", "groups")


def technical_data(platform: Platform, subject: str) -> TechnicalReportData:
    """Return what is shown of ``MODEL@VERSION``; of ``MODEL`` the version that serves, else the newest.

    Raises:
        ConfigError: ``subject`` names neither, or a file of the model does not fit.
        NotFoundError: there is no such model or version.
    """
    config = platform.project.config
    witnesses = witnesses_of(platform)
    with platform.database.reading() as connection:
        facts = facts_of(connection, platform, subject)
        sources = sources_of(connection, facts)
        audit = proof_of(connection, [facts.version.subject], witnesses)
    recording = healths_of(platform.project.journal)
    why = dict.fromkeys(_FROM_TRAINING, "training") | dict.fromkeys(_FROM_BUNDLE, "bundle")
    missing = {name: facts.missing[of] for name, of in why.items() if of in facts.missing}
    if "groups" not in missing:
        missing["groups"] = "no groups were told apart in its training; a fairness monitor has the next one do so"
    if facts.other_files:
        missing["validation"] = f"what the files say today is not told of it: {facts.other_files}"
    missing["test_logs"] = f"no MLflow run is known of job {facts.version.job_id}"
    missing["live"] = _unmeasured(
        facts, ("model_quality", "estimated_quality"), "nothing was measured of this version in production yet"
    )
    missing["live_groups"] = _unmeasured(
        facts, ("fairness",), "no fairness monitor has judged this version in production yet"
    )
    entries = [one.entry for one in REQUIREMENTS if one.entry is not None]
    return TechnicalReportData(
        project=config.project,
        model=facts.files.model.name,
        number=facts.version.number,
        description=facts.files.model.description,
        generated_us=platform.now_us(),
        filled={**made(facts, sources, gates_of(facts)), **kept(facts, config, audit, recording)},
        written={entry: facts.documentation.text_of(entry) for entry in entries},
        missing=missing,
        audit=audit,
    )


def _unmeasured(facts: VersionFacts, kinds: tuple[str, ...], otherwise: str) -> str:
    """Return why there is no figure of these kinds of checks: none was made, or what was measured decides nothing."""
    rows = [row for row in facts.lives.values() if row.kind in kinds]
    if not rows:
        return otherwise
    newest = max(rows, key=lambda row: int(row.at_us))
    return f"what was measured decides nothing yet ({time_text(newest.at_us)}: {newest.spec['explanation']})"
