"""Comparison, drift, weekly, model card: each tells all it was given, says what is missing, and obeys no text."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from tests.unit.reports.pages import read

from trimtab.core.enums import Verdict
from trimtab.reports.comparison import ComparedVersion, ComparisonReportData, comparison_report
from trimtab.reports.deployment import ComparisonData, LineageData
from trimtab.reports.document import Document, Section, Table, rendered
from trimtab.reports.drift import DriftedCause, DriftReportData, DriftSeries, drift_report
from trimtab.reports.model_card import CardGroup, CardLive, CardVersion, ModelCardData, model_card_report
from trimtab.reports.weekly import WeeklyAction, WeeklyCase, WeeklyModel, WeeklyQuality, WeeklyReportData, weekly_report

_T0 = 1_772_000_000_000_000
_DAY = 86_400_000_000
_HOSTILE = "</td><script>alert(1)</script>\u202e\u05d0 🚲 \x00\x1b[31m\ud83d " + "x" * 300


def _version(number: int, **changed: object) -> ComparedVersion:
    made = ComparedVersion(
        number=number,
        state="approved",
        aliases=["champion"] if number == 1 else [],
        algorithm="lightgbm",
        created_us=_T0,
        rows=1000 * number,
        span=(_T0 - _DAY, _T0),
        held_out={"f1": 0.7 + number / 10},
        params={"num_leaves": 31 * number},
        importance={"age": 0.75, "bp": 0.25},
        gates=[f"f1 min 0.6: 0.{number}, passed"],
        lineage=LineageData("ab" * 32, "data", "conf", "s1", run_id=None, git_commit=None, job_id="j1"),
    )
    return replace(made, **changed)  # type: ignore[arg-type]


def _loss(low: float | None, high: float | None) -> ComparisonData:
    return ComparisonData("share of wrong answers", 0.2, 0.1, -0.1, low, high, 0.95, 500, higher_is_better=False)


def _comparison(*comparison: ComparisonData, why_not: str | None = None) -> ComparisonReportData:
    return ComparisonReportData(
        project="clinic",
        model="heart",
        generated_us=_T0,
        primary_metric="f1",
        old=_version(1),
        new=_version(2),
        same_data=False,
        comparison=comparison,
        why_not=why_not,
    )


@pytest.mark.parametrize(
    ("loss", "told"),
    [
        (_loss(-0.15, -0.05), "version 2 is better: share of wrong answers 0.2 before, 0.1 now, on 500 rows."),
        (replace(_loss(0.05, 0.15), difference=0.1), "version 1 is better"),
        (_loss(-0.2, 0.05), "no difference is shown"),
        (_loss(None, None), "no difference is shown"),
    ],
)
def test_a_comparison_names_the_better_one_only_where_that_is_shown(loss: ComparisonData, told: str) -> None:
    text = read(comparison_report(_comparison(loss))).text
    assert told in text
    for expected in ("num_leaves", "31", "62", "75 %", "not known", "f1 min 0.6: 0.2, passed", "2 000"):
        assert expected in text, expected


def test_a_comparison_without_rows_says_why() -> None:
    text = read(comparison_report(_comparison(why_not="12 labelled rows came; at least 20 are needed"))).text
    assert "not compared on the same rows" in text
    assert text.count("12 labelled rows came") == 2


def _series(column: str | None, *values: float | None, verdict: Verdict = Verdict.OK) -> DriftSeries:
    points = tuple((_T0 + index * _DAY, value) for index, value in enumerate(values))
    return DriftSeries("data_drift", "data_drift", column, 1, points, 0.2, verdict, f"{column} was judged", len(values))


def _drift(*series: DriftSeries) -> DriftReportData:
    return DriftReportData(
        project="clinic",
        model="heart",
        endpoint="heart-live",
        generated_us=_T0,
        start_us=_T0,
        end_us=_T0 + 3 * _DAY,
        series=series,
        causes=(DriftedCause(_T0, "unit_change", "chol", "values × 0.02586"),),
        releases=((_T0 + _DAY, "v2"),),
        weights={"chol": 0.5},
        weighed_by="mean |SHAP| on held-out rows",
    )


def test_a_drift_analysis_puts_the_farthest_first() -> None:
    data = _drift(
        _series("age", 0.1, 0.1),
        _series("chol", 0.1, 0.9, verdict=Verdict.BREACH),
        _series("bp", 0.1, 0.3, verdict=Verdict.BREACH),
        _series(None, 0.1, 0.2),
    )
    page = read(drift_report(data))
    assert "2 of 3 columns lie outside of what is usual, chol, bp the farthest." in page.text
    assert page.text.index("chol was judged") < page.text.index("bp was judged") < page.text.index("age was judged")
    for told in ("values × 0.02586", "unit change", "50 %", "share by mean |SHAP|", "all columns together", "v2"):
        assert told in page.text
    assert page.text.count("distance from the reference of") == 8, "four charts, each in two sizes"


@pytest.mark.parametrize(
    ("series", "told"),
    [
        ((), "No check of drift was made"),
        ((_series("age", None, verdict=Verdict.INCONCLUSIVE),), "Nothing could be judged"),
        ((_series("age", 0.1),), "The only column does not lie outside of what is usual."),
    ],
)
def test_a_drift_analysis_of_little_says_so(series: tuple[DriftSeries, ...], told: str) -> None:
    text = read(drift_report(_drift(*series))).text
    assert told in text
    assert "There is one window at most" in text


def test_what_is_far_out_and_no_alarm_yet_is_not_called_no_drift() -> None:
    far = replace(_series("weight_kg", 0.737, verdict=Verdict.INCONCLUSIVE), threshold=0.17)
    unjudged = _series("bp", None, verdict=Verdict.INCONCLUSIVE)
    text = read(drift_report(_drift(far, _series("age", 0.1), _series("chol", 0.1), unjudged))).text
    assert "1 far out, not yet an alarm" in text
    assert "1 of 4 columns lies far out, not yet an alarm: weight_kg" in text
    assert "1 of 4 could not be judged" in text
    assert "2 of 4" in text, "judged"
    assert "no drift" not in text
    breached = _series("chol", 0.9, verdict=Verdict.BREACH)
    both = read(drift_report(_drift(far, breached))).text
    assert "1 of 2 columns lies outside of what is usual: chol. 1 of 2 columns lies far out" in both
    assert "no drift" not in read(drift_report(_drift(unjudged, _series("age", 0.1)))).text


def _model(**changed: object) -> WeeklyModel:
    made = WeeklyModel(
        model="heart",
        serves="version 2: 100 %",
        answered=4200,
        delivered=180,
        quarantined=12,
        verdicts={Verdict.OK: 40, Verdict.BREACH: 2},
        quality=(WeeklyQuality("f1", 0.71, 0.82, 0.7, Verdict.OK),),
        cases=(
            WeeklyCase("chol changed", "resolved", _T0, _T0 + _DAY, "unit_change", 0.7),
            WeeklyCase("nobody knows", "open", _T0, None, None, None),
        ),
        actions=(WeeklyAction(_T0, "quarantine_feed", "succeeded", "policy", "feed is quarantined", Verdict.OK),),
        releases=("version 2 promoted",),
        waiting=("retrain: demand has doubled",),
    )
    return replace(made, **changed)  # type: ignore[arg-type]


def _weekly(*models: WeeklyModel) -> WeeklyReportData:
    return WeeklyReportData("clinic", _T0, _T0 - 7 * _DAY, _T0, models, dead_letters=3, audit_entries=99)


def test_a_digest_tells_what_happened_and_what_waits() -> None:
    text = read(weekly_report(_weekly(_model()))).text
    for told in (
        "2 cases, of which 1 still open; 1 action asked for; 1 request waiting for a person.",
        "3 events or messages given up",
        "4 200",
        "retrain: demand has doubled",
        "not diagnosed",
        "feed is quarantined",
        "version 2 promoted",
        "0.82",
    ):
        assert told in text, told


def test_a_digest_of_a_quiet_week_and_of_no_model() -> None:
    quiet = _model(quality=(), cases=(), actions=(), releases=(), waiting=(), serves="", unread="model.yaml:3: broken")
    text = read(weekly_report(_weekly(quiet))).text
    for told in ("nothing open", "No case was open.", "Nothing was done.", "Nothing does.", "model.yaml:3: broken"):
        assert told in text, told
    assert "The project has no models yet." in read(weekly_report(_weekly())).text


def _card(**changed: object) -> ModelCardData:
    made = ModelCardData(
        project="clinic",
        model="heart",
        number=2,
        description="Does a patient have heart disease?",
        generated_us=_T0,
        task="binary",
        target="disease",
        algorithm="xgboost",
        created_us=_T0,
        state="approved",
        decided_by="dana",
        is_serving=True,
        primary_metric="f1",
        metrics={"f1": 0.8},
        gates=("f1 min 0.65: 0.8, passed",),
        rows=210,
        span=(_T0, _T0 + _DAY),
        sources=("cleveland (210 rows in 2 files)",),
        features=(("age", "integer, years", 0.6),),
        written={"purpose.intended": "Second opinion for a cardiologist."},
        lineage=LineageData("ab" * 32, "data", "conf", "s1"),
        classes=("no", "yes"),
        threshold=0.5,
        groups=(CardGroup("sex", "female", "hits", 0.75, 40),),
        lives=(CardLive("f1", 0.78, 0.6, Verdict.OK, _T0, "90 of 90 answers have labels"),),
        versions=(CardVersion(2, "xgboost", _T0, "approved", 0.8), CardVersion(1, "ridge", 0, "rejected", None)),
    )
    return replace(made, **changed)  # type: ignore[arg-type]


def test_a_card_tells_all_it_knows_and_marks_what_nobody_wrote() -> None:
    html = model_card_report(_card())
    text = read(html).text
    for told in (
        "serves now",
        "Second opinion for a cardiologist.",
        "cleveland (210 rows in 2 files)",
        "female",
        "75 %",
        "90 of 90 answers have labels",
        "rejected",
        "Nobody has written this yet: documentation.yaml, limitations",
    ):
        assert told in text, told
    assert html.count('class="gap"') == 11 + 3, "entries of documentation.yaml, and lineage that is not known"


def test_a_card_of_a_version_whose_bundle_is_gone_names_what_is_missing() -> None:
    bare = _card(
        features=(), groups=(), lives=(), gates=(), rows=None, sources=(), missing={"bundle": "changed on disk"}
    )
    text = read(model_card_report(bare)).text
    for told in ("Missing: bundle – changed on disk", "Its bundle cannot be read.", "not recorded", "No gate was set."):
        assert told in text, told


@pytest.mark.parametrize(
    "html",
    [
        lambda: comparison_report(replace(_comparison(), model=_HOSTILE, why_not=_HOSTILE)),
        lambda: drift_report(
            replace(_drift(_series(_HOSTILE, 0.1, 0.2)), endpoint=_HOSTILE, releases=((_T0, _HOSTILE),))
        ),
        lambda: weekly_report(_weekly(_model(model=_HOSTILE, waiting=(_HOSTILE,), serves=_HOSTILE))),
        lambda: model_card_report(_card(description=_HOSTILE, classes=(_HOSTILE,), written={"limitations": _HOSTILE})),
    ],
    ids=["comparison", "drift", "weekly", "card"],
)
def test_hostile_text_is_shown_and_not_obeyed(html: object) -> None:
    text = html()  # type: ignore[operator]
    assert "<script>alert(1)</script>" in read(text).text
    assert re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]", text) is None
    assert text.encode()


def test_a_row_that_does_not_fit_its_table_is_refused() -> None:
    with pytest.raises(ValueError, match="a row has 1 fields; expected 2"):
        Table(("a", "b"), [("1",)])


def test_an_empty_table_says_so_and_widths_are_kept() -> None:
    table = Table(("a", "b"), [("1", "2")], widths=(20, 80))
    document = Document("k", "t", "s", "p", _T0, (Section("x", (table, Table(("a",), [], empty="Nothing at all."))),))
    html = rendered(document)
    assert "Nothing at all." in read(html).text
    assert html.count("<col style=") == 2
