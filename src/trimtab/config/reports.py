"""``reports`` of ``trimtab.yaml``: whether they are printed, and to whom they go."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

from pydantic import Field

from trimtab.config.cron import Cron
from trimtab.config.loading import Strict
from trimtab.config.model import Name

__all__ = ["ReportsConfig", "check_mail_routes"]


class ReportsConfig(Strict):
    """What becomes of reports beside being written as pages."""

    pdf: bool = Field(
        default=False, description="Print each report as PDF, too; needs the extra: pip install 'trimtab[reports]'."
    )
    weekly: Cron | None = Field(
        default=None,
        description=(
            "When the weekly digest is written, of the seven days before that day: five cron fields, in UTC "
            "('0 6 * * mon'). Null: only when somebody asks for it."
        ),
    )
    mail_to: tuple[Name, ...] = Field(
        default=(), description="Routes of `notifications` that reports are sent to, whatever their severity."
    )
    mailed: tuple[Literal["weekly", "incident", "deployment"], ...] = Field(
        default=("weekly",),
        description="Which are sent: the weekly digest, a case's when it is over, a rollout's when it has ended.",
    )


def check_mail_routes(config: ReportsConfig, routes: Collection[str]) -> ReportsConfig:
    """Return ``config`` unchanged if each of its routes is one.

    Raises:
        ValueError: one is not; the sentence says which.
    """
    for name in config.mail_to:
        if name not in routes:
            raise ValueError(
                f"mail_to: found {name!r}; expected routes of notifications, {', '.join(routes) or 'which has none'}; "
                "add it there, or name one of these"
            )
    return config
