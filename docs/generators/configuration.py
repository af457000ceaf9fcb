"""The page of all that a user writes: the configuration files, and the environment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from docs.generators.fields import Schema, anchor_of, default_of, is_wrapper, meaning_of, type_of
from docs.generators.markdown import code, plain, table

__all__ = ["ENVIRONMENT", "configuration"]

_EXAMPLE = "examples/churn"
_OF_THE_PROJECT = {"trimtab", "policy"}

ENVIRONMENT: Mapping[str, str] = {
    "TRIMTAB_PROJECT": "The project's folder, as `--project` names it.",
    "TRIMTAB_API_URL": "A control plane elsewhere, that commands ask; needs `TRIMTAB_API_KEY`.",
    "TRIMTAB_API_KEY": "The key that commands send. Without it: the one of this machine's user.",
    "TRIMTAB_SERVING_URL": "An inference server elsewhere, for `predict` and `replay`.",
    "TRIMTAB_SERVING_KEY": "The key that `predict` and `replay` send to an inference server that asks for one.",
    "TRIMTAB_SERVE_BUNDLE": "What `trimtab serve` serves, as `--bundle`; several are separated by blanks.",
    "TRIMTAB_SERVE_STATE": "Its state folder, as `--state`.",
    "TRIMTAB_SERVE_HOST": "The address that it listens on, as `--host`.",
    "TRIMTAB_SERVE_PORT": "Its port, as `--port`; SageMaker's `SAGEMAKER_BIND_TO_PORT` goes before it.",
    "TRIMTAB_SERVE_WORKERS": "Its processes, as `--workers`.",
    "TRIMTAB_SERVE_KEYS": "Its file of keys, as `--keys`.",
    "TRIMTAB_SERVE_MEMORY_BUDGET": "What the models of a process may take in memory, as `--memory-budget`.",
    "TRIMTAB_SERVE_LOG_LIMIT": "What its records may take on disk until they are shipped, as `--log-limit`.",
    "TRIMTAB_SERVE_FOLLOW": "The control plane elsewhere whose deployments it serves, as `--follow`.",
    "TRIMTAB_FEATURES_…": "Keys of feature stores, by the names that specs give ([how](../serving-features.md)).",
    "TRIMTAB_SERVE_MODELS_ROOT": "The folder of its multi-model routes, as `--models-root`.",
    "TRIMTAB_SERVE_INTAKE": "Where it ships records to, as `--intake`.",
    "TRIMTAB_DATABASE_URL": "A PostgreSQL database for the metadata ([how](../operations.md#postgresql)).",
    "TRIMTAB_MLFLOW_URL": "MLflow's database or server, when it is not a file of the project.",
    "TRIMTAB_INTAKE_URL": "Bucket where shippers leave segments: `s3://bucket/prefix` ([how](../records.md)).",
    "TRIMTAB_LAKE_URL": "Where the lake is: `s3://bucket/prefix` or `file:///folder` ([how](../operations.md#s3)).",
    "TRIMTAB_LAKE_CACHE_MB": "How much of a bucket is kept as local copies, in MB; 20000 by default.",
    "TRIMTAB_AUDIT_KEY": (
        "Private key (PEM) that signs checkpoints of the audit log, and after it, separated as in `PATH`, earlier ones "
        "([how](../audit.md#whose-signature)); by default one is made."
    ),
    "TRIMTAB_LINK_KEY": (
        "Secret of 32 characters at least that proves [links](../remediation.md#links) by which people decide; by "
        "default one is made in the state folder."
    ),
    "TRIMTAB_CRASH_AT": "For tests: the process kills itself at this [point](crash-table.md).",
}
"""Every variable that the product reads, and what it is."""


def configuration(schemas: Mapping[str, Schema], root: Path) -> str:
    """Return the page: for each file an example that can be run, then its fields."""
    lines = [
        "# Configuration",
        "",
        "A project is eight files. Those shown first under each heading make up one: "
        f"[`{_EXAMPLE}`](../../{_EXAMPLE}).",
        "`trimtab init` writes such files from a table, `trimtab validate` checks them and names file and line, and",
        "[`schemas/`](../../schemas) holds the same as JSON Schema, for editors ([how](../operations.md#editors)).",
        "",
        *table(("file", "what it says"), ((_link(stem), _short(schema)) for stem, schema in schemas.items())),
        "A duration is a number with a unit: `250ms`, `30s`, `10m`, `1h30m`, `7d`, `2w`. A name has lower-case",
        "letters, digits and hyphens. Whatever is left out has its default.",
        "",
    ]
    for stem, schema in schemas.items():
        path = f"{stem}.yaml" if stem in _OF_THE_PROJECT else f"models/churn/{stem}.yaml"
        example = (root / _EXAMPLE / path).read_text("utf-8").rstrip()
        lines += [f"## {stem}.yaml", "", *_told(schema), "```yaml", example, "```", "", *_fields(stem, schema, schema)]
        lines += _parts(stem, schema)
    rows = ((code(name), meaning) for name, meaning in ENVIRONMENT.items())
    lines += ["## Environment", "", "Secrets come from nowhere else. Every process of the platform reads them.", ""]
    return "\n".join([*lines, *table(("variable", "what it is"), rows)])


def _link(stem: str) -> str:
    return f"[`{stem}.yaml`](#{stem}yaml)"


def _short(schema: Schema) -> str:
    text = plain(schema["description"]).rpartition("`: ")[2]
    return text[:1].upper() + text[1:]


def _told(part: Schema) -> list[str]:
    return [plain(part["description"]), ""] if "description" in part else []


def _parts(stem: str, schema: Schema) -> Iterator[str]:
    """Yield a section for each thing that a field may hold; conditions, which have one key each, share a table."""
    parts = {name: part for name, part in schema.get("$defs", {}).items() if "enum" not in part}
    conditions = [part for part in parts.values() if is_wrapper(part)]
    if conditions:
        yield from (
            f'<a id="{anchor_of(stem, "keys")}"></a>',
            "",
            "### Conditions",
            "",
            "Each is a map of one key; some have a second, `of`.",
            "",
        )
        yield from table(("key", "holds", "what it is"), (_condition(stem, part, schema) for part in conditions))
    for name, part in parts.items():
        if not is_wrapper(part):
            yield from (f'<a id="{anchor_of(stem, name)}"></a>', "", f"### {name}", "", *_told(part))
            yield from _fields(stem, part, schema)


def _condition(stem: str, part: Schema, schema: Schema) -> tuple[str, str, str]:
    (key, field), *others = part["properties"].items()
    held = type_of(stem, field, schema) + "".join(
        f"; `{name}`: {type_of(stem, other, schema)}" for name, other in others
    )
    _key, _colon, told = plain(part["description"]).partition("`: ")
    return code(key), held, told[:1].upper() + told[1:] or meaning_of(field, schema)


def _fields(stem: str, part: Schema, whole: Schema) -> list[str]:
    required = part.get("required", [])
    rows = [
        (code(name), type_of(stem, field, whole), default_of(name, field, required), meaning_of(field, whole))
        for name, field in part.get("properties", {}).items()
    ]
    return table(("field", "type", "default", "what it is"), rows)
