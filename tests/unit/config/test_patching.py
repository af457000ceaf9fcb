from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from trimtab.config.patching import Scalar, patched
from trimtab.core.errors import ConfigError

_FILE = """\
# agreed with the clinic
window: 7d
monitors:
  - {type: data_drift, severity: high}   # loud
  - type: model_quality
    limits: {accuracy: 0.6}
"""


def test_only_the_named_values_change_and_comments_stay() -> None:
    text = patched(_FILE, {"monitors.1.limits.accuracy": 0.55, "monitors.0.severity": "low"}, source="m.yaml")
    assert text == _FILE.replace("0.6", "0.55").replace("severity: high", 'severity: "low"')


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("monitors.7.limits", "has nothing at 'monitors.7.limits' \\('7'\\)"),
        ("monitors.1.limits", "is no single value"),
        ("monitors.x", "has nothing at"),
        ("window.days", "has nothing at"),
        ("", "has nothing at"),
    ],
)
def test_a_path_that_leads_to_no_single_value_is_refused(path: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        patched(_FILE, {path: 1}, source="m.yaml")


@pytest.mark.parametrize(
    ("text", "path", "value", "after"),
    [
        (
            "monitors:\n- {name: a, limits: {mape: 0.3}}\n",
            "monitors.0.limits.mape",
            '0.9}, "type":"x", "y":{"z":1',
            {"monitors": [{"name": "a", "limits": {"mape": '0.9}, "type":"x", "y":{"z":1'}}]},
        ),
        ("limits: [p]\n", "limits.0", "p, q", {"limits": ["p, q"]}),
        ("a: x\nb: 1\n", "a", "x\nb: 2\n# ", {"a": "x\nb: 2\n# ", "b": 1}),
        ("a:\nb: 1\n", "a", 0.5, {"a": 0.5, "b": 1}),
        ("a: [1, .nan, &x 2, *x]\n", "a.0", 7, None),
        ("a: 1\n", "a", "y " * 9_000, {"a": "y " * 9_000}),
    ],
)
def test_what_a_text_says_changes_nothing_around_it(
    text: str, path: str, value: Scalar, after: dict[str, object] | None
) -> None:
    changed = patched(text, {path: value}, source="m.yaml")
    assert changed == text.replace("[1", "[7") if after is None else yaml.safe_load(changed) == after


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("a: |\n  text\nb: 1\n", "a"),
        ("a: >-\n  text\nb: 1\n", "a"),
        ("a: &x 0.3\nb: *x\n", "a"),
        ("a: &x 0.3\nb: *x\n", "b"),
        ("a: &x {c: 0.3}\nb: *x\n", "b.c"),
        ("a: &x {c: 0.3}\nb: {<<: *x, d: 1}\n", "b.<<.c"),
        ("a: !!str 0.3\n", "a"),
    ],
)
def test_a_value_that_cannot_be_replaced_alone_is_for_a_person(text: str, path: str) -> None:
    with pytest.raises(ConfigError, match="change it by hand"):
        patched(text, {path: 1}, source="m.yaml")


def test_a_value_that_is_named_twice_is_refused() -> None:
    with pytest.raises(ConfigError, match="named twice"):
        patched(_FILE, {"monitors.0.severity": "low", "monitors.00.severity": "high"}, source="m.yaml")


def test_a_file_that_is_no_yaml_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"m\.yaml: is no YAML"):
        patched("a: [1", {"a.0": 1}, source="m.yaml")


_SCALARS = st.one_of(st.booleans(), st.integers(-(10**9), 10**9), st.text(max_size=30), st.none())


@given(value=_SCALARS, other=_SCALARS)
def test_what_was_written_is_read_and_all_else_is_as_before(value: Scalar, other: Scalar) -> None:
    text = yaml.safe_dump({"a": [{"b": other}, 1], "c": "x"}, allow_unicode=True)
    after = yaml.safe_load(patched(text, {"a.0.b": value}, source="x.yaml"))
    assert after == {"a": [{"b": value}, 1], "c": "x"}
