"""Groups that fairness is watched by: what a training is asked of them, and where monitors get their values."""

from __future__ import annotations

import pyarrow as pa

from trimtab.lake.attributes import delivered_columns
from trimtab.loop.model_files import ModelFiles
from trimtab.loop.platform import Platform
from trimtab.monitoring.answered import delivered_name
from trimtab.monitoring.fairness import FairnessSettings
from trimtab.training.request import AskedGroup

__all__ = ["asked_groups", "with_delivered"]


def asked_groups(files: ModelFiles) -> tuple[AskedGroup, ...]:
    """Return the groups that the model's monitors watch: a bundle tells how its unseen rows were answered by them."""
    found = {
        settings.group_key: AskedGroup(
            key=settings.group_key,
            column=settings.group.column,
            edges=settings.group.edges,
            favourable=settings.favourable,
        )
        for settings in files.monitoring.monitors
        if isinstance(settings, FairnessSettings)
    }
    return tuple(found[key] for key in sorted(found))


def with_delivered(platform: Platform, files: ModelFiles, rows: pa.Table) -> tuple[pa.Table, list[str]]:
    """Return the rows with the columns of delivered tables that monitors want, and how these are called.

    ``rows`` have a ``record_key``. Without the model's key, or where no table has a column, there is none.
    """
    wanted = sorted({name for settings in files.monitoring.monitors for name in settings.delivered_columns})
    if not wanted or files.model.key is None:
        return rows, []
    found = delivered_columns(
        platform.database,
        platform.lake,
        model=files.model.name,
        key=files.model.key,
        columns=wanted,
        keys=rows["record_key"].to_pylist(),
    )
    for name, values in found.items():
        rows = rows.append_column(delivered_name(name), values)
    return rows, [delivered_name(name) for name in found]
