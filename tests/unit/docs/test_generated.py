"""The generated documents say what the code says, and say it of everything."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml
from docs import generate
from docs.generators.configuration import ENVIRONMENT
from docs.generators.decisions import decisions

from trimtab.loop.operation import OPERATIONS
from trimtab.loop.validation import json_schemas, validate_project

ROOT = Path(__file__).resolve().parents[3]
DEMO_FILES = sorted((ROOT / "examples").rglob("*.yaml"))


def _fields(schema: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, part in {"": schema, **schema.get("$defs", {})}.items():
        for field, content in part.get("properties", {}).items():
            yield f"{name}.{field}", content


def _is_told(field: Mapping[str, Any], schema: Mapping[str, Any]) -> bool:
    if "const" in field or "description" in field:
        return True
    referred = field.get("$ref") or field.get("items", {}).get("$ref") or _of_map(field)
    return referred is not None and "description" in schema["$defs"][referred.rsplit("/", 1)[-1]]


def _of_map(field: Mapping[str, Any]) -> str | None:
    inner = field.get("additionalProperties")
    return inner.get("$ref") if isinstance(inner, Mapping) else None


def test_references_and_schemas_are_not_stale() -> None:
    assert generate.stale(ROOT) == [], "run 'python docs/generate.py'"


def test_a_stale_or_foreign_file_is_named(tmp_path: Path) -> None:
    for name, text in generate.rendered().items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert generate.stale(tmp_path) == []
    (tmp_path / "docs/reference/cli.md").write_text("old", encoding="utf-8")
    (tmp_path / "schemas/gone.schema.json").write_text("{}", encoding="utf-8")
    (tmp_path / "docs/reference/events.md").unlink()
    assert generate.stale(tmp_path) == ["docs/reference/cli.md", "docs/reference/events.md", "schemas/gone.schema.json"]


@pytest.mark.parametrize("stem", sorted(json_schemas()))
def test_every_setting_is_described(stem: str) -> None:
    schema = json_schemas()[stem]
    assert [name for name, field in _fields(schema) if not _is_told(field, schema)] == []


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_every_field_of_an_operation_is_described(name: str) -> None:
    schema = OPERATIONS[name].request.model_json_schema()
    assert [field for field, content in _fields(schema) if not _is_told(content, schema)] == []


@pytest.mark.parametrize("path", DEMO_FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_an_editor_accepts_the_examples(path: Path) -> None:
    schema = json.loads((ROOT / "schemas" / f"{path.stem}.schema.json").read_text("utf-8"))
    jsonschema.Draft202012Validator(schema).validate(yaml.safe_load(path.read_text("utf-8")))


def test_the_example_of_the_reference_is_a_project() -> None:
    assert validate_project(ROOT / "examples" / "churn") == []
    page = (ROOT / "docs" / "reference" / "configuration.md").read_text("utf-8")
    for path in (ROOT / "examples" / "churn").rglob("*.yaml"):
        assert path.read_text("utf-8").rstrip() in page


def test_every_variable_of_the_environment_is_described() -> None:
    sources = "\n".join(path.read_text("utf-8") for path in (ROOT / "src").rglob("*.py"))
    named = set(re.findall(r"TRIMTAB_[A-Z][A-Z_]*[A-Z]", sources))
    read = {f"TRIMTAB_{name.upper()}" for name in re.findall(r'setting\("([a-z_]+)"', sources)}
    assert read <= named
    # Whoever writes a spec chooses how the name goes on.
    of_features = {name for name in named if name.startswith("TRIMTAB_FEATURES")}
    assert of_features
    assert (named - of_features) | {"TRIMTAB_FEATURES_…"} == set(ENVIRONMENT)


def test_a_decision_without_a_title_is_refused(tmp_path: Path) -> None:
    (tmp_path / "0001-cache.md").write_text("# 0001: Keep what was computed\n", encoding="utf-8")
    assert "| 0001 | [Keep what was computed](0001-cache.md) |" in decisions(tmp_path)
    (tmp_path / "0002-queue.md").write_text("# 0003: A queue\n", encoding="utf-8")
    with pytest.raises(LookupError, match="0002-queue"):
        decisions(tmp_path)
