from __future__ import annotations

import gc
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
import pytest
from tests.unit.monitoring.windows import MINUTE_US, REFERENCE, START_US, patients, reference_of, window_of

from trimtab.config.columns import ColumnContract
from trimtab.core.canonical import JsonObject
from trimtab.core.enums import ColumnKind, Severity, Verdict
from trimtab.measures.distances import ks_sorted
from trimtab.monitoring.cause import Cause, CauseKind
from trimtab.monitoring.check import Check, Window
from trimtab.monitoring.data_drift import DataDriftMonitor, DataDriftSettings
from trimtab.monitoring.window import WindowData
from trimtab.profiles.periods import PeriodProfile, profile_segment
from trimtab.profiles.reference import Reference, build_reference
from trimtab.profiles.slots import DAY_US, time_slots

HOUR_US = DAY_US // 24


def drift(data: WindowData, **settings: object) -> dict[str | None, Check]:
    # The windows here last an hour or so; a false alarm a day is to them what one in half a year is to weeks.
    monitor = DataDriftMonitor(DataDriftSettings.model_validate({"false_alarm_every": "1d", **settings}))
    return {check.column: check for check in monitor.check(data).checks}


def ar1(rows: int, phi: float, rng: np.random.Generator) -> np.ndarray:
    steps = rng.normal(size=rows + 100)
    for place in range(1, len(steps)):
        steps[place] += phi * steps[place - 1]
    return steps[100:]


@pytest.mark.parametrize("seed", range(1, 6))
def test_sound_windows_are_ok(seed: int) -> None:
    checks = drift(window_of(patients(80, seed)))
    assert {check.verdict for check in checks.values()} == {Verdict.OK}
    assert list(checks) == ["chol", "age", "pain", "smokes", None]


@pytest.mark.parametrize("rows", [60, 150])
@pytest.mark.parametrize("seed", range(1, 6))
def test_a_change_of_unit_in_part_of_the_window_is_a_breach_that_names_it(rows: int, seed: int) -> None:
    columns = patients(rows, seed)
    chol = np.asarray(columns["chol"], dtype=float)
    chol[rows // 3 :] = np.round(chol[rows // 3 :] / 38.67, 2)
    checks = drift(window_of({**columns, "chol": chol}), severity="high")
    breach = checks["chol"]
    assert (breach.verdict, breach.severity) == (Verdict.BREACH, Severity.HIGH)
    cause = Cause.from_json(breach.detail["causes"][0])
    assert (cause.kind, cause.known_unit) == (CauseKind.UNIT_CHANGE, "mg/dL → mmol/L (÷ 38.67)")
    assert cause.since_us == START_US + rows // 3 * MINUTE_US
    assert cause.since_row_share == pytest.approx(2 / 3)
    assert "÷ 38.67" in breach.explanation
    # Another column may be named with it by chance: once in twenty times, as ``alpha`` says.
    assert {"chol", None} <= {name for name, check in checks.items() if check.verdict is Verdict.BREACH}
    assert len(checks[None].detail["drifted"]) <= 2


def test_the_value_is_the_exact_distance_while_sketches_are_exact() -> None:
    reference, window = patients(240, seed=0), patients(80, seed=3)
    expected = ks_sorted(np.sort(np.asarray(window["chol"], float)), np.sort(np.asarray(reference["chol"], float)))
    assert drift(window_of(window))["chol"].value == pytest.approx(expected)


def test_what_the_sketches_may_be_off_is_taken_off_the_distance() -> None:
    rng = np.random.default_rng(0)
    contracts = {"x": ColumnContract(type=ColumnKind.NUMBER)}
    reference = reference_of({"x": rng.normal(size=20_000)}, contracts)
    window = rng.normal(size=9000)
    check = drift(window_of({"x": window}, reference=reference, contracts=contracts))["x"]
    assert check.detail["sketch_error"] == pytest.approx(2 * 0.0014, abs=1e-3)
    assert check.value is not None
    assert check.value < 0.02


@pytest.mark.parametrize("method", ["ks", "psi", "js"])
def test_every_method_sees_a_shift_of_numbers_and_of_categories(method: str) -> None:
    columns = patients(120, seed=1)
    columns["chol"] = np.asarray(columns["chol"], float) + 120
    columns["pain"] = ["severe"] * 100 + ["none"] * 20
    checks = drift(window_of(columns), method=method)
    assert (checks["chol"].verdict, checks["pain"].verdict) == (Verdict.BREACH, Verdict.BREACH)
    assert (checks["age"].verdict, checks["smokes"].verdict) == (Verdict.OK, Verdict.OK)
    overall = checks[None]
    assert (overall.verdict, overall.effect) == (Verdict.BREACH, 0.5)
    assert overall.detail["share"] == 0.5
    assert overall.detail["drifted"] == ["chol", "pain"]


def test_a_small_effect_is_no_breach_however_sure_it_is() -> None:
    contracts = {"x": ColumnContract(type=ColumnKind.NUMBER)}
    rng = np.random.default_rng(1)
    reference = reference_of({"x": rng.normal(size=50_000)}, contracts)
    data = window_of({"x": rng.normal(0.15, 1, 5000)}, reference=reference, contracts=contracts)
    assert drift(data)["x"].verdict is Verdict.OK
    assert drift(data, min_effect=0.01)["x"].verdict is Verdict.BREACH


def test_a_window_of_one_season_is_no_drift_when_the_reference_had_such_seasons() -> None:
    rng = np.random.default_rng(2)
    contracts = {"x": ColumnContract(type=ColumnKind.NUMBER)}
    hours = np.arange(24 * 100)
    daily = np.sin(2 * np.pi * hours / 24)
    reference = reference_of({"x": daily + rng.normal(0, 0.1, len(hours))}, contracts)
    night = daily[:34] + rng.normal(0, 0.1, 34)
    assert drift(window_of({"x": night}, reference=reference, contracts=contracts))["x"].verdict is Verdict.OK
    beyond = window_of({"x": night + 2.5}, reference=reference, contracts=contracts)
    assert drift(beyond)["x"].verdict is Verdict.BREACH


WEEK_US = 7 * DAY_US


def hourly(first_hour: int, columns: Mapping[str, np.ndarray]) -> tuple[PeriodProfile, ...]:
    """One row an hour, one period a day, from ``first_hour`` after 1970 on."""
    rows = len(next(iter(columns.values())))
    hours = first_hour + np.arange(rows)
    table = pa.table(
        {
            "event_us": pa.array(hours * HOUR_US, pa.int64()),
            "variant": pa.array(["stable"] * rows, pa.string()),
            "prediction": pa.array(["yes"] * rows, pa.string()),
            "latency_ms": pa.array(np.ones(rows)),
            **{f"f.{name}": pa.array(values, pa.float64()) for name, values in columns.items()},
        }
    )
    return tuple(
        profile_segment(table.replace_schema_metadata({"endpoint": "heart", "model_version": "1"}), period_s=86_400)
    )


@dataclass
class Stream:
    """Weeks after a reference of 26, looked at one by one, with the state carried from look to look."""

    reference: Reference
    names: Sequence[str]
    settings: Mapping[str, object] = field(default_factory=dict)
    state: JsonObject | None = None
    weeks: int = 26

    @staticmethod
    def after(history: Mapping[str, np.ndarray], **settings: object) -> Stream:
        rows = len(next(iter(history.values())))
        kinds = dict.fromkeys(history, ColumnKind.NUMBER)
        reference = build_reference(pa.table(dict(history)), kinds, time_us=np.arange(rows) * HOUR_US)
        return Stream(reference, tuple(history), settings)

    def week(self, columns: Mapping[str, np.ndarray]) -> dict[str | None, Check]:
        data = replace(
            window_of({}, reference=self.reference),
            window=Window(self.weeks * WEEK_US, (self.weeks + 1) * WEEK_US),
            periods=hourly(self.weeks * 168, columns),
            columns={name: ColumnContract(type=ColumnKind.NUMBER) for name in self.names},
            state=self.state,
        )
        judged = DataDriftMonitor(DataDriftSettings.model_validate(dict(self.settings))).check(data)
        self.state = judged.state if judged.state is not None else self.state
        self.weeks += 1
        return {check.column: check for check in judged.checks}


def remembering(rows: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    return {f"x{place}": ar1(rows, 0.9, rng) for place in range(6)}


def test_rows_with_memory_raise_no_more_alarms_than_stated_and_a_shift_is_found_in_three_windows() -> None:
    rng = np.random.default_rng(3)
    alarms, late = 0, 0
    for _turn in range(5):
        stream = Stream.after(remembering(26 * 168, rng))
        sound = [stream.week(remembering(168, rng))[None].verdict for _week in range(12)]
        alarms += Verdict.BREACH in sound
        moved = []
        for _week in range(3):
            columns = remembering(168, rng)
            moved.append(stream.week({**columns, "x0": columns["x0"] + 5.0})["x0"].verdict)
        late += Verdict.BREACH not in moved
    # 60 weeks at one false alarm in 52 at most, were all weeks as bad as can be: 4 turns of 5 is far beyond it.
    assert alarms <= 3
    assert late == 0


def test_an_alarm_lasts_until_a_whole_window_is_as_usual_and_is_dated() -> None:
    rng = np.random.default_rng(4)
    stream = Stream.after({"x": rng.normal(size=26 * 168), "y": rng.normal(size=26 * 168)})

    def week(shift: float) -> dict[str | None, Check]:
        return stream.week({"x": rng.normal(size=168) + shift, "y": rng.normal(size=168)})

    assert week(0.0)[None].verdict is Verdict.OK
    raised = week(3.0)
    assert (raised[None].verdict, raised["x"].verdict, raised["y"].verdict) == (
        Verdict.BREACH,
        Verdict.BREACH,
        Verdict.OK,
    )
    assert raised[None].detail["since_us"] == 27 * WEEK_US
    assert [check.opens for check in raised.values()] == [False, False, True]
    assert week(3.0)[None].verdict is Verdict.BREACH
    assert week(0.0)[None].verdict is Verdict.OK
    assert week(0.0)[None].verdict is Verdict.OK


@pytest.mark.parametrize(("days", "seldom"), [(1, False), (7, True)])
def test_of_a_short_reference_no_day_goes_unseen_however_seldom_one_looks(days: int, *, seldom: bool) -> None:
    rng = np.random.default_rng(9)
    stream = Stream.after({"x": rng.normal(size=90 * 24)}, false_alarm_every="90d")
    start, values = 90, rng.normal(size=28 * 24)
    # Only the first day of the second week is off: the last three, which is what 90 days allow for, are as usual.
    values[7 * 24 : 8 * 24] += 8.0
    verdicts = []
    for look in range(7, 29, days):
        data = replace(
            window_of({}, reference=stream.reference),
            window=Window((start + look - 7) * DAY_US, (start + look) * DAY_US),
            periods=hourly((start + look - 7) * 24, {"x": values[(look - 7) * 24 : look * 24]}),
            columns={"x": ColumnContract(type=ColumnKind.NUMBER)},
            state=stream.state,
        )
        judged = DataDriftMonitor(DataDriftSettings.model_validate(stream.settings)).check(data)
        stream.state = judged.state
        overall = judged.checks[-1]
        verdicts.append(overall.verdict)
        assert "as long as the reference allows" in overall.explanation
        assert ("parts were judged" in overall.explanation) is (seldom and look > 7)
        if seldom and overall.verdict is Verdict.BREACH:
            assert overall.detail["judged_from_us"] <= (start + 7) * DAY_US < overall.detail["judged_until_us"]
    # The second weekly look, or the first daily one with that day in it, says so; and that it is over, later ones.
    assert verdicts.index(Verdict.BREACH) == 1
    assert verdicts[-1] is Verdict.OK


def test_a_shift_too_small_for_one_window_is_found_by_several_that_agree() -> None:
    rng = np.random.default_rng(5)
    stream = Stream.after({"x": rng.normal(size=26 * 168)})
    verdicts = [stream.week({"x": rng.normal(0.45, 1, 168)})[None].verdict for _week in range(8)]
    assert verdicts[0] is Verdict.OK
    assert Verdict.BREACH in verdicts


def test_another_unit_is_found_where_a_distance_is_large_in_sound_weeks_too() -> None:
    rng = np.random.default_rng(8)
    # Each week has a level of its own: a week lies far from all others together, in shares of rows.
    levels = np.repeat(rng.normal(10, 4, 60), 168)
    celsius = levels + rng.normal(0, 1, len(levels))
    stream = Stream.after({"celsius": celsius[: 52 * 168], "other": rng.normal(size=52 * 168)})
    stream.weeks = 52

    def week(place: int, factor: float, offset: float) -> dict[str | None, Check]:
        values = celsius[place * 168 : (place + 1) * 168] * factor + offset
        return stream.week({"celsius": values, "other": rng.normal(size=168)})

    assert {week(52 + place, 1.0, 0.0)[None].verdict for place in range(2)} == {Verdict.OK}
    found = week(54, 1.8, 32.0)
    assert (found[None].verdict, found["celsius"].verdict) == (Verdict.BREACH, Verdict.BREACH)
    assert found["celsius"].detail["shift"] > 2 * found["celsius"].detail["usual_shift"]
    assert "of the usual range" in found["celsius"].explanation
    assert found["other"].verdict is Verdict.OK


def test_the_same_window_twice_says_the_same_and_looks_in_between_add_no_evidence() -> None:
    rng = np.random.default_rng(6)
    stream = Stream.after({"x": rng.normal(size=26 * 168)})
    columns = {"x": rng.normal(0.3, 1, 168)}
    first = stream.week(columns)
    stream.weeks -= 1
    again = stream.week(columns)
    assert again[None].detail["p_value"] == first[None].detail["p_value"]
    assert again[None].value == first[None].value


def test_a_window_far_out_is_never_called_ok_because_the_last_look_was_a_moment_ago() -> None:
    rng = np.random.default_rng(10)
    stream = Stream.after({"x": rng.normal(size=26 * 168), "y": rng.normal(size=26 * 168)})
    sound = {name: rng.normal(size=168) for name in ("x", "y")}
    assert stream.week(sound)[None].verdict is Verdict.OK
    stream.weeks -= 1
    held = stream.state
    bad = stream.week({**sound, "x": sound["x"] + 12.0})
    assert (bad[None].verdict, bad["x"].verdict, bad["y"].verdict) == (
        Verdict.INCONCLUSIVE,
        Verdict.INCONCLUSIVE,
        Verdict.OK,
    )
    assert bad[None].detail["counted_from_us"] > 27 * WEEK_US
    assert bad[None].explanation.startswith("x far out (p ")
    # Only the words differ: no evidence was taken from a window that had been counted already.
    assert (stream.state or {})["lanes"] == (held or {})["lanes"]
    assert stream.week({**sound, "x": sound["x"] + 12.0})[None].verdict is Verdict.BREACH


def test_what_lies_beyond_a_reference_too_short_to_judge_it_is_never_called_ok() -> None:
    rng = np.random.default_rng(11)
    # A season of which the reference holds a part: 26 weeks that are worth a few independent ones.
    hours = np.arange(34 * 168)
    degrees = 12 - 10 * np.cos(2 * np.pi * hours / (50 * 168)) + rng.normal(0, 2, len(hours))
    stream = Stream.after({"t": degrees[: 26 * 168], "y": rng.normal(size=26 * 168)})

    def week(factor: float, offset: float) -> dict[str | None, Check]:
        now = degrees[stream.weeks * 168 :][:168] * factor + offset
        return stream.week({"t": now, "y": rng.normal(size=168)})

    assert week(1.0, 0.0)[None].verdict is Verdict.OK
    found = week(1.8, 32.0)
    assert (found[None].verdict, found["t"].verdict, found["y"].verdict) == (
        Verdict.INCONCLUSIVE,
        Verdict.INCONCLUSIVE,
        Verdict.OK,
    )
    assert "farther out than any window of the reference, which is too short" in found[None].explanation


def test_a_version_from_before_this_monitor_is_inconclusive_and_says_what_to_do() -> None:
    old = replace(REFERENCE, coded=None)
    checks = drift(window_of(patients(80, seed=1), reference=old))
    assert {check.verdict for check in checks.values()} == {Verdict.INCONCLUSIVE}
    assert "retrain once" in checks[None].explanation


def test_a_day_is_held_against_days_and_a_night_against_nights() -> None:
    rng = np.random.default_rng(7)
    hours = np.arange(60 * 24)
    light = np.sin(2 * np.pi * hours / 24)
    history = {"x": light + rng.normal(0, 0.1, len(hours))}
    reference = build_reference(pa.table(history), {"x": ColumnKind.NUMBER}, time_us=hours * HOUR_US)
    kept = reference.coded
    assert kept is not None
    night = time_slots(kept, start_us=61 * DAY_US, end_us=61 * DAY_US + 6 * HOUR_US)
    assert sorted(set((hours[night.slot >= 0] % 24).tolist())) == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("moments", [2, 4])
def test_a_reference_of_a_few_snapshots_says_nothing_of_weeks_however_long_ago_the_first_was(moments: int) -> None:
    rng = np.random.default_rng(3)
    rows = 300 * moments
    times = np.repeat(np.arange(moments) * 400 * DAY_US, 300)
    table = pa.table({"x": rng.normal(0, 1, rows)})
    stream = Stream(build_reference(table, {"x": ColumnKind.NUMBER}, time_us=times), ("x",), weeks=60 * moments)
    for _ in range(8):
        found = stream.week({"x": rng.normal(10, 1, 168)})[None]
        assert found.verdict is Verdict.INCONCLUSIVE, found.explanation
        assert "the reference has" in found.explanation


def test_few_rows_few_values_and_unknown_columns_are_inconclusive_with_the_reason() -> None:
    assert "10 rows in the window, 30 needed" in drift(window_of(patients(10, seed=1)))["chol"].explanation
    sparse = {**patients(60, seed=1), "chol": np.r_[np.full(5, 240.0), np.full(55, np.nan)]}
    found = drift(window_of(sparse))["chol"]
    assert (found.verdict, found.value) == (Verdict.INCONCLUSIVE, None)
    assert "5 values in 60 rows" in found.explanation
    assert drift(window_of(sparse))[None].explanation.endswith("; not judged: chol")
    assert "not in the reference" in drift(window_of(patients(60, seed=1)), columns=["weight"])["weight"].explanation


def test_a_constant_column_is_ok_where_it_was_constant_and_a_breach_where_it_was_not() -> None:
    contracts = {"x": ColumnContract(type=ColumnKind.NUMBER)}
    same, rng = np.full(60, 7.0), np.random.default_rng(0)
    constant, varied = (reference_of({"x": x}, contracts) for x in (np.full(200, 7.0), rng.normal(7, 2, 200)))
    assert drift(window_of({"x": same}, reference=constant, contracts=contracts))["x"].verdict is Verdict.OK
    stuck = drift(window_of({"x": same}, reference=varied, contracts=contracts))["x"]
    assert stuck.verdict is Verdict.BREACH
    assert stuck.detail["causes"][0]["kind"] == "stuck"


def test_what_is_kept_of_usual_windows_keeps_no_reference_alive_and_serves_the_one_that_is_read_again() -> None:
    columns = patients(300, seed=17)
    # Reading a bundle anew, as a process with many versions does, makes an equal reference, not the same one.
    first, again = reference_of(columns), reference_of(columns)
    assert first.coded is not None
    assert again.coded is not None
    assert first.coded.digest == again.coded.digest != (REFERENCE.coded and REFERENCE.coded.digest)
    window = window_of(patients(80, seed=18), reference=first)
    drift(window)
    rows = weakref.ref(first.coded)
    del window, first
    gc.collect()
    assert rows() is None
