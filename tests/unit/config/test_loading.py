"""What a user wrote wrongly is explained: file, line, what was found, what was expected."""

import os
import time
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field

from trimtab.config.columns import ContractConfig
from trimtab.config.durations import Duration
from trimtab.config.loading import Strict, load_yaml, parse_yaml, value_of
from trimtab.core.errors import ConfigError


class _Step(Strict):
    weight_pct: int = Field(ge=0, le=100)
    wait: Duration = Field(default="1m", validate_default=True)


class _Canary(Strict):
    type: Literal["canary"]
    steps: tuple[_Step, ...] = Field(min_length=1)


class _Recreate(Strict):
    type: Literal["recreate"]


class _Deployment(Strict):
    endpoint: str
    strategy: _Canary | _Recreate = Field(discriminator="type")
    labels: dict[str, str] = Field(default_factory=dict)


_GOOD = """\
endpoint: churn
strategy:
  type: canary
  steps:
    - weight_pct: 10
      wait: 30s
    - weight_pct: 50
"""


def _problem(text: str | bytes) -> str:
    content = text if isinstance(text, bytes) else text.encode()
    with pytest.raises(ConfigError) as caught:
        parse_yaml(content, _Deployment, source="d.yaml")
    return str(caught.value)


def test_a_good_file_is_typed_and_its_digest_is_that_of_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "d.yaml"
    path.write_text(_GOOD)
    loaded = load_yaml(path, _Deployment)
    assert isinstance(loaded.value.strategy, _Canary)
    assert [step.weight_pct for step in loaded.value.strategy.steps] == [10, 50]
    assert (loaded.path, len(loaded.digest)) == (path, 64)
    path.write_text(_GOOD + "# a comment\n")
    assert load_yaml(path, _Deployment).digest != loaded.digest


def test_a_file_is_read_again_whenever_its_content_has_changed_and_by_the_model_that_is_asked_for(
    tmp_path: Path,
) -> None:
    path = tmp_path / "d.yaml"
    path.write_text(_GOOD, encoding="utf-8")
    before = load_yaml(path, _Deployment)
    assert load_yaml(path, _Deployment).value is before.value
    seen = path.stat()
    path.write_text(_GOOD.replace("canary", "nobody"), encoding="utf-8")
    os.utime(path, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    with pytest.raises(ConfigError):
        load_yaml(path, _Deployment)
    with pytest.raises(ConfigError):
        load_yaml(path, ContractConfig)
    path.write_text(f"# another line\n{_GOOD}", encoding="utf-8")
    after = load_yaml(path, _Deployment)
    assert (after.value, after.lines) == (before.value, {at: line + 1 for at, line in before.lines.items()})
    assert after.digest != before.digest


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("weight_pct: 50", "weigth_pct: 50", "d.yaml:7: {steps}.1.weigth_pct: unknown field; did you mean 'weight"),
        ("endpoint: churn", "endpoint: churn\nzzz: 1", "d.yaml:2: zzz: unknown field; remove it"),
        # Only what may stand there is proposed: 'wait' is a field of a step.
        ("endpoint: churn", "endpoint: churn\nwaits: 1", "d.yaml:2: waits: unknown field; remove it"),
        ("wait: 30s", "waits: 30s", "d.yaml:6: {steps}.0.waits: unknown field; did you mean 'wait'?"),
        ("weight_pct: 50", "weight_pct: 120", "d.yaml:7: {steps}.1.weight_pct: found 120; input should be less"),
        ("weight_pct: 10", "weight_pct: ten", "d.yaml:5: {steps}.0.weight_pct: found 'ten'; input should be"),
        ("wait: 30s", "wait: 30", "d.yaml:6: {steps}.0.wait: found 30; 30 is no duration"),
        ("wait: 30s", "wait: 99999999999w", "d.yaml:6: {steps}.0.wait: found '99999999999w'; '99999999999w' is too"),
        ("endpoint: churn\n", "", "endpoint: missing; expected a value; add it"),
        ("type: canary", "type: canery", "d.yaml:3: strategy.type: found 'canery'; expected one of canary, recreate"),
        ("  type: canary\n", "", "d.yaml:2: strategy.type: missing; expected one of canary, recreate; add it"),
        ("endpoint: churn", "endpoint: churn\nendpoint: other", "d.yaml:2: 'endpoint' stands twice in one mapping"),
        ("  type: canary", "   type: canary", "d.yaml:4: "),
        ("endpoint: churn", "endpoint: 'churn", "expected valid YAML"),
        ("endpoint: churn", "endpoint: 2020-13-45", "d.yaml:1: month must be in 1..12"),
        ("endpoint: churn", "endpoint: !!int x", "expected valid YAML"),
        ("endpoint: churn", "endpoint: !!python/name:os.system", "d.yaml:1: could not determine a constructor"),
        ("endpoint: churn", "endpoint: !!bool x", "d.yaml:1: "),
        ("endpoint: churn", "endpoint: !!timestamp x", "d.yaml:1: "),
        ("endpoint: churn", "? [a]\n: b", "expected valid YAML"),
        ("endpoint: churn", f"endpoint: {'9' * 5000}", "expected valid YAML"),
        ("endpoint: churn", "endpoint: \x07", "special characters are not allowed"),
    ],
)  # fmt: skip
def test_a_mistake_is_explained_with_its_line(before: str, after: str, said: str) -> None:
    assert before in _GOOD
    problem = _problem(_GOOD.replace(before, after, 1))
    assert said.replace("{steps}", "strategy.steps") in problem
    assert "Traceback" not in problem


def test_a_list_whose_only_item_is_wrong_is_not_called_empty_besides() -> None:
    problem = _problem("endpoint: churn\nstrategy:\n  type: canary\n  steps: [{weight_pct: 120}]\n")
    assert problem.splitlines() == [
        "d.yaml:4: strategy.steps.0.weight_pct: found 120; input should be less than or equal to 100"
    ]
    empty = _problem("endpoint: churn\nstrategy:\n  type: canary\n  steps: []\n")
    assert "found 0; expected at least 1 of them" in empty


def test_all_mistakes_of_a_file_are_told_at_once() -> None:
    problem = _problem(_GOOD.replace("50", "500").replace("churn", "[1]"))
    assert [line.split(": ")[0] for line in problem.splitlines()] == ["d.yaml:1", "d.yaml:7"]


@pytest.mark.parametrize("text", ["", "# nothing\n", "null\n"])
def test_an_empty_file_lacks_its_fields(text: str) -> None:
    assert "endpoint: missing" in _problem(text)


@pytest.mark.parametrize("text", ["- a\n- b\n", "just words\n", "42\n"])
def test_a_file_that_is_no_mapping_is_refused_in_a_sentence(text: str) -> None:
    assert _problem(text).startswith("d.yaml:1: the file: found")


def test_bytes_that_are_no_text_are_named() -> None:
    assert _problem(b"endpoint: \xff\xfe") == "d.yaml: byte 10 is not UTF-8; save the file as UTF-8"


def test_a_byte_order_mark_is_no_mistake() -> None:
    assert parse_yaml(b"\xef\xbb\xbf" + _GOOD.encode(), _Deployment, source="d.yaml").endpoint == "churn"


def test_a_file_of_a_megabyte_is_the_wrong_file() -> None:
    assert "is it the right file?" in _problem("x" * 1_000_001)


def test_a_bomb_of_aliases_is_refused_before_it_unfolds() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
    assert "aliases counted in full" in _problem("\n".join(lines))


def test_what_looks_like_a_number_to_the_base_of_60_is_text() -> None:
    assert "weight_pct: found '1:30'; input should be" in _problem(_GOOD.replace("weight_pct: 50", "weight_pct: 1:30"))
    found = parse_yaml((_GOOD + "labels: {at: 22:00, for: 1:30.5}\n").encode(), _Deployment, source="d.yaml")
    assert found.labels == {"at": "22:00", "for": "1:30.5"}


@pytest.mark.parametrize(
    ("text", "value"),
    [("0.5", 0.5), ("1:30", "1:30"), ("[1, 2]", [1, 2]), ("[1", "[1"), ("null", None), ("low", "low")],
)
def test_a_value_is_read_as_in_a_file(text: str, value: object) -> None:
    assert value_of(text) == value


def test_thousands_of_slips_are_told_as_a_few_in_no_time() -> None:
    many = "x: &x {a: 1}\n" + "".join(f"k{one}: {{<<: [*x, *x, *x]}}\n" for one in range(1_000))
    started = time.process_time()
    told = _problem(_GOOD + many).splitlines()
    assert len(told) == 51
    assert told[-1] == "d.yaml: 951 more problems; correct these first"
    # Each used to cost the making of the whole schema.
    assert time.process_time() - started < 10


@pytest.mark.parametrize("text", ["[" * 20_000, "a: &a [*a]", "a: &a {b: *a}", "- " * 5_000 + "x"])
def test_nesting_without_end_is_refused(text: str) -> None:
    assert "nested" in _problem(text)


def test_a_file_that_is_not_there_or_is_a_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        load_yaml(tmp_path / "none.yaml", _Deployment)
    with pytest.raises(ConfigError, match="cannot be read"):
        load_yaml(tmp_path, _Deployment)


def _told(content: bytes) -> str:
    try:
        return parse_yaml(content, _Deployment, source="d.yaml").endpoint
    except ConfigError as error:
        return str(error)


@given(st.binary(max_size=200) | st.text(alphabet="abc:-[]{}&*!|>'\"#%@,?\n\t 019.~<=", max_size=80).map(str.encode))
@settings(deadline=None, max_examples=300)
def test_no_input_gets_anything_but_a_sentence(content: bytes) -> None:
    assert _told(content).startswith("d.yaml")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{type: category, min: 1}", "min and max are for number and integer columns"),
        ("{type: number, min: 5, max: 1}", "min 5 lies above max 1; swap them"),
        ("{type: number, values: [a]}", "values is for category columns"),
    ],
)
def test_a_contract_that_contradicts_itself_says_where(text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        parse_yaml(f"columns:\n  id: {{type: text}}\n  chol: {text}\n".encode(), ContractConfig, source="c.yaml")
    assert str(caught.value).startswith("c.yaml:3: columns.chol")


def test_a_contract_names_only_columns_that_it_has() -> None:
    with pytest.raises(ConfigError, match=r"unique names \['id'\]"):
        parse_yaml(b"columns: {x: {type: number}}\nunique: [id]\n", ContractConfig, source="c.yaml")


def test_a_type_that_was_named_is_offered_its_own_fields_alone(tmp_path: Path) -> None:
    path = tmp_path / "d.yaml"
    path.write_text("endpoint: churn\nstrategy: {type: recreate, stepss: []}\n")
    with pytest.raises(ConfigError) as told:
        load_yaml(path, _Deployment)
    assert "did you mean" not in str(told.value), "steps are of the canary"
