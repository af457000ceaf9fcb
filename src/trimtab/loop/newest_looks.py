"""What each monitor said last, kept in memory between two looks so that asking again costs little."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import and_, case, func, or_, select

from trimtab.core.enums import Verdict
from trimtab.core.errors import TrimtabError
from trimtab.db.engine import Connection
from trimtab.db.tables import check_result
from trimtab.loop.platform import Platform

__all__ = ["LOUDEST_FIRST", "NewestLook", "NewestLooks", "ToldCheck"]

_LATE = check_result.c.spec[("detail", "late")].as_string()
"""Set where a window that was over was judged again: that is no word of the present."""

LOUDEST_FIRST = (Verdict.BREACH, Verdict.INCONCLUSIVE, Verdict.OK)

_Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class ToldCheck:
    """One number of a monitor: of a column, or of all (``""``); ``measure``: its metric or percentile, if any."""

    variant: str
    version: int
    column: str
    measure: str
    value: float | None
    threshold: float | None
    effect: float | None
    verdict: Verdict

    @property
    def rank(self) -> tuple[int, float]:
        """Orders checks: breaches first, then the greatest effects."""
        return LOUDEST_FIRST.index(self.verdict), -(self.effect or 0.0)


@dataclass(frozen=True, slots=True)
class NewestLook:
    """The last look of one monitor, and the last that came to a verdict other than INCONCLUSIVE; event time.

    What such a look said of earlier windows, whose outcomes came late, is no part of it.
    """

    model: str
    endpoint: str
    monitor: str
    kind: str
    at_us: int
    judged_us: int | None
    checks: tuple[ToldCheck, ...] = ()


class NewestLooks:
    """Reads the newest checks of all models. The first reading looks through all that is stored, later ones do not.

    Nothing is lost by a restart. Monitors that a model's file no longer names are left out. For one thread at a time.
    """

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._looks: dict[_Key, NewestLook] = {}
        self._since_us: dict[str, int] = {}
        self._titles: dict[str, tuple[int, frozenset[str] | None]] = {}

    def read(self, connection: Connection) -> list[NewestLook]:
        """Return the last look of every monitor that is still in use, by model and monitor."""
        models = self._platform.project.model_names
        for model in models:
            for look in self._changed(connection, model):
                self._looks[look.model, look.endpoint, look.monitor] = look
        in_use = {model: self._in_use(model) for model in models}
        self._looks = {key: look for key, look in self._looks.items() if key[0] in in_use}
        return [
            look
            for (model, _, monitor), look in sorted(self._looks.items())
            if (titles := in_use[model]) is None or monitor in titles
        ]

    def _changed(self, connection: Connection, model: str) -> Iterator[NewestLook]:
        since_us = self._since_us.get(model, 0)
        said = check_result.c.verdict != Verdict.INCONCLUSIVE.value
        # Only a window that was over can be a late one: the others' JSON need not be read.
        present = or_(check_result.c.window_end_us >= check_result.c.at_us, _LATE.is_(None))
        judged_us = case((and_(said, present), check_result.c.at_us))
        newest = (
            select(
                check_result.c.endpoint,
                check_result.c.monitor,
                func.max(check_result.c.kind).label("kind"),
                func.max(check_result.c.at_us).label("at_us"),
                func.max(judged_us).label("judged_us"),
            )
            # Not only later ones: another run may be stored under the moment of the last. None as of a moment to
            # come: it would be told as the present until then, and what is looked at meanwhile never.
            .where(
                check_result.c.model == model,
                check_result.c.at_us >= since_us,
                check_result.c.at_us <= self._platform.now_us(),
            )
            .group_by(check_result.c.endpoint, check_result.c.monitor)
        )
        for row in connection.execute(newest).all():
            before = self._looks.get((model, row.endpoint, row.monitor))
            before_us = None if before is None else before.judged_us
            judged = before_us if row.judged_us is None else row.judged_us
            look = NewestLook(model, row.endpoint, row.monitor, row.kind, row.at_us, judged)
            yield replace(look, checks=_checks(connection, look))
            self._since_us[model] = max(self._since_us.get(model, 0), row.at_us)

    def _in_use(self, model: str) -> frozenset[str] | None:
        """Return the names of the model's monitors; None, for all, where its files cannot be read."""
        try:
            path = self._platform.project.model_folder(model) / "monitoring_config.yaml"
            changed_ns = path.stat().st_mtime_ns
            known = self._titles.get(model)
            if known is None or known[0] != changed_ns:
                monitors = self._platform.files(model).monitoring.monitors
                known = self._titles[model] = changed_ns, frozenset(one.title for one in monitors)
        except (TrimtabError, OSError):
            return None
        return known[1]


def _checks(connection: Connection, look: NewestLook) -> tuple[ToldCheck, ...]:
    mine = (
        check_result.c.model == look.model,
        check_result.c.at_us == look.at_us,
        check_result.c.endpoint == look.endpoint,
        check_result.c.monitor == look.monitor,
    )
    rows = connection.execute(select(check_result).where(*mine)).all()
    run_id = max((row.run_id for row in rows), default="")
    found: dict[tuple[str, int, str, str], ToldCheck] = {}
    for row in rows:
        if row.run_id == run_id and not (row.spec.get("detail") or {}).get("late"):
            check = _told(row)
            key = check.variant, check.version, check.column, check.measure
            # Two samples of the same labels would make the whole answer unreadable: the worse one is told.
            found[key] = min(found.get(key, check), check, key=lambda one: one.rank)
    return tuple(found.values())


def _told(row: Any) -> ToldCheck:
    detail = row.spec.get("detail") or {}
    measure = detail.get("metric") or detail.get("percentile") or ("" if row.column else detail.get("problem"))
    return ToldCheck(
        variant=row.variant,
        version=row.model_version,
        column=row.column or "",
        measure=str(measure or ""),
        value=row.value,
        threshold=row.threshold,
        effect=row.effect,
        verdict=Verdict(row.verdict),
    )
