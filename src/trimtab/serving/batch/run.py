"""A batch run from begin to end: plan, answer what is not there yet, and the manifest last."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from trimtab.bundle.manifest import Manifest
from trimtab.core.errors import ConfigError
from trimtab.serving.batch.answering import check_columns
from trimtab.serving.batch.asked import Asked
from trimtab.serving.batch.inputs import InputFile
from trimtab.serving.batch.parts import MANIFEST_NAME, OutputFolder, OutputFormat, PartFacts, RunFacts
from trimtab.serving.batch.pool import answers
from trimtab.serving.batch.recording import Recording, check_intake
from trimtab.serving.batch.worker import PartTask, Setup

__all__ = ["Done", "ServedBundle", "plan_tasks", "run_batch"]


@dataclass(frozen=True, slots=True)
class ServedBundle:
    """The bundle that answers: where it lies, what it says of itself, and the ``version`` written beside answers.

    ``number``: the version's, where it is one of a project's.
    """

    folder: Path
    manifest: Manifest
    version: str
    number: int | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """What a run did. ``refused`` rows have no answer; ``rows_before`` were answered by an earlier start of it."""

    rows: int
    refused: int
    rows_before: int
    parts: int
    manifest: Path


def plan_tasks(files: Sequence[Asked], output: OutputFormat) -> list[PartTask]:
    """Return all parts in the order of the input; their names sort in this order.

    Raises:
        ConfigError: two files hold the same rows, whose answers could not be told apart.
    """
    first_of: dict[str, str] = {}
    tasks = []
    for place, file in enumerate(files):
        if file.rows and first_of.setdefault(file.digest, file.path) != file.path:
            raise ConfigError(f"{file.path}: holds the same as {first_of[file.digest]}; leave one of them out")
        for part in file.ranges:
            name = f"{place:05d}-{file.digest[:16]}-{part.first:012d}-{part.stop:012d}.{output}"
            tasks.append(PartTask(name, file.part(part), part))
    return tasks


def run_batch(
    bundle: ServedBundle,
    files: Sequence[Asked],
    folder: Path,
    *,
    output: OutputFormat,
    nulls: bool,
    workers: int,
    rows_a_part: int | None = None,
    recording: Recording | None = None,
    now_us: int = 0,
    planned: Callable[[int, int], None],
    answered: Callable[[int], None],
) -> Done:
    """Answer every row of ``files`` once, into ``folder``; what an earlier start of the same run answered stays.

    With ``recording``, every answer is recorded as well, once; rows without a time of their own happened ``now_us``.

    ``planned`` hears how many rows there are and how many of them are answered already, ``answered`` of each batch.

    Raises:
        ConfigError: the intake is none, or two files hold the same rows.
        ConflictError: the folder holds something else, or is in use.
        DataContractError: a file or row cannot be answered; the sentence names file, row and column.
        BackendError: a process died.
    """
    manifest = bundle.manifest
    if recording is not None:
        check_intake(recording)
    for file in files:
        if isinstance(file, InputFile):
            check_columns(file.path, file.columns, manifest, nulls=nulls)
    tasks = plan_tasks(files, output)
    run = RunFacts(
        model=manifest.model,
        model_version=bundle.version,
        bundle_digest=manifest.digest,
        format=output,
        on_error="null" if nulls else "refuse",
        inputs=tuple(file.digest for file in files),
        rows_a_part=rows_a_part,
        recorded="" if recording is None else f"{recording.endpoint} {recording.intake}",
        started_us=now_us,
    )
    kept = OutputFolder(folder)
    with kept.held(run) as started:
        setup = Setup(
            str(bundle.folder),
            manifest.digest,
            bundle.version,
            str(folder),
            output,
            nulls,
            recording,
            started.started_us,
        )
        there = {task.name: facts for task in tasks if (facts := kept.finished(task.name)) is not None}
        before = sum(facts.rows for facts in there.values())
        planned(sum(file.rows for file in files), before)
        written: dict[str, PartFacts] = dict(there)
        missing = [task for task in tasks if task.name not in there]
        with contextlib.closing(answers(setup, missing, workers)) as heard:
            for told in heard:
                answered(told.rows)
                if told.part is not None:
                    kept.enter(told.part)
                    written[told.part.name] = told.part
        parts = [written[task.name] for task in tasks]
        kept.close(run, parts)
    return Done(
        rows=sum(part.rows for part in parts),
        refused=sum(part.refused for part in parts),
        rows_before=before,
        parts=len(parts),
        manifest=folder / MANIFEST_NAME,
    )
