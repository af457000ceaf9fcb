"""From a YAML file to a typed model, with errors that name file, line, what was found and what was expected."""

from __future__ import annotations

import difflib
import functools
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import PydanticCustomError

from trimtab.core.errors import ConfigError

__all__ = ["WRITTEN_SECRET", "Loaded", "Strict", "load_yaml", "parse_yaml", "value_of", "wrong_at"]

WRITTEN_SECRET = "written_secret"
"""A pydantic error of this type is told without what was found."""

_MAX_BYTES = 1_000_000
_MAX_NODES = 50_000
_MOST_PROBLEMS = 50
_MOST_KNOWN = 512
_TEXT = "tag:yaml.org,2002:str"
_NUMBERS = frozenset({"tag:yaml.org,2002:int", "tag:yaml.org,2002:float"})
# What may hold a secret is not quoted: the sentence goes into logs.
_SECRET_FIELDS = frozenset({"url", "secret", "secrets", "password", "token"})
_NO_FIELDS = frozenset({"dict_type", "model_type", "model_attributes_type"})

ModelT = TypeVar("ModelT", bound=BaseModel)
Location = tuple[str | int, ...]


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, in which ``1:30`` is text; what looks like a date but is none is an error with a line."""

    def resolve(self, kind: type[yaml.Node], value: Any, implicit: Any) -> Any:
        tag = super().resolve(kind, value, implicit)  # type: ignore[no-untyped-call]
        # YAML 1.1 counts to the base of 60; nobody who writes 1:30 means 90.
        return _TEXT if tag in _NUMBERS and implicit[0] and ":" in value else tag

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep=deep)
        except (ArithmeticError, AttributeError, LookupError, ValueError) as error:
            raise yaml.constructor.ConstructorError(None, None, str(error), node.start_mark) from error


class Strict(BaseModel):
    """Base of everything that crosses a boundary: no unknown fields, no changing values, no infinite numbers."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, allow_inf_nan=False)


def wrong_at(text: str, *location: str | int) -> PydanticCustomError:
    """Return the error that a validator raises where what is wrong stands at ``location`` below its value."""
    # The text is no template: what people named may hold braces.
    return PydanticCustomError("wrong_at", "{text}", {"text": text, "below": location})


@dataclass(frozen=True, slots=True)
class Loaded(Generic[ModelT]):
    """A file's typed content, where it stood, the SHA-256 of its bytes, and the line of each of its values."""

    value: ModelT
    path: Path
    digest: str
    lines: Mapping[Location, int] = field(default_factory=dict)

    def at(self, *location: str | int) -> str:
        """Return ``path:line`` of a value, for errors that are found later than by reading."""
        return f"{self.path}:{self.lines.get(_known_part(location, self.lines), 1)}"


_known: dict[tuple[Path, type[BaseModel]], Loaded[Any]] = {}
"""The files that this process has read, as they were then: the loop asks for the same ones all day."""


def load_yaml(path: Path, model: type[ModelT]) -> Loaded[ModelT]:
    """Read ``path`` as ``model``: always from the disk, but only parsed again where its content has changed.

    Raises:
        ConfigError: the file is missing, too large, not YAML, or does not fit; each problem with its line.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; write it, or start from a copy in examples/") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); check the path and its permissions") from error
    digest = hashlib.sha256(content).hexdigest()
    known = _known.get((path, model))
    if known is None or known.digest != digest:
        value, lines = _parse(content, model, str(path))
        known = Loaded(value=value, path=path, digest=digest, lines=lines)
        if len(_known) >= _MOST_KNOWN:
            _known.clear()
        _known[path, model] = known
    return known


def parse_yaml(content: bytes, model: type[ModelT], *, source: str) -> ModelT:
    """Return ``content`` as ``model``; ``source`` names it in errors.

    Raises:
        ConfigError: see `load_yaml`.
    """
    return _parse(content, model, source)[0]


def value_of(text: str) -> Any:
    """Return one value as a file would be read that holds nothing else: text where it is no YAML."""
    try:
        return yaml.load(text, Loader=_Loader)
    except (yaml.YAMLError, RecursionError):
        return text


def _parse(content: bytes, model: type[ModelT], source: str) -> tuple[ModelT, dict[Location, int]]:
    if len(content) > _MAX_BYTES:
        raise ConfigError(f"{source}: {len(content)} bytes; configuration may have {_MAX_BYTES}; is it the right file?")
    data, lines = _compose(content, source)
    try:
        return model.model_validate(data if data is not None else {}), lines
    except ValidationError as error:
        found = error.errors(include_url=False)
        told = [problem for problem in found[:_MOST_PROBLEMS] if not _follows(problem, found)]
        problems = [_explain(problem, model, lines, source) for problem in told]
        if len(found) > _MOST_PROBLEMS:
            problems.append(f"{source}: {len(found) - _MOST_PROBLEMS} more problems; correct these first")
        raise ConfigError("\n".join(problems)) from None


def _compose(content: bytes, source: str) -> tuple[Any, dict[Location, int]]:
    lines: dict[Location, int] = {}
    try:
        text = content.decode("utf-8")
        loader = _Loader(text)
        node = loader.get_single_node()
        _index(node, (), lines, source)
        return None if node is None else loader.construct_document(node), lines
    except RecursionError:
        raise ConfigError(
            f"{source}: nested too deeply, or an alias stands within itself; expected a few levels; flatten it"
        ) from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{source}: byte {error.start} is not UTF-8; save the file as UTF-8") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        found = " ".join(str(error.problem or error.context or "no valid YAML").split())
        raise ConfigError(
            f"{source}:{line}: {found}; expected valid YAML; check indentation, colons, quotes"
        ) from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{source}: {' '.join(str(error).split())}; expected valid YAML") from error


def _index(node: yaml.Node | None, at: Location, lines: dict[Location, int], source: str) -> None:
    if node is None:
        return
    if len(lines) > _MAX_NODES:
        raise ConfigError(f"{source}: more than {_MAX_NODES} values (aliases counted in full); is it the right file?")
    lines[at] = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            name = str(key.value)
            if name in seen:
                line = key.start_mark.line + 1
                raise ConfigError(f"{source}:{line}: {name!r} stands twice in one mapping; keep one of them")
            seen.add(name)
            _index(value, (*at, name), lines, source)
            lines[*at, name] = key.start_mark.line + 1
    elif isinstance(node, yaml.SequenceNode):
        for position, value in enumerate(node.value):
            _index(value, (*at, position), lines, source)


def _follows(problem: Any, found: Sequence[Any]) -> bool:
    """Whether a list is too short only because what stands in it is wrong, which is told by itself."""
    at = problem["loc"]
    return problem["type"] == "too_short" and any(other["loc"][: len(at)] == at != other["loc"] for other in found)


def _explain(problem: Any, model: type[BaseModel], lines: dict[Location, int], source: str) -> str:
    kind = problem["type"]
    location = _known_part(problem["loc"], lines)
    if kind == "missing":
        at = ".".join(map(str, (*location, problem["loc"][-1])))
        return f"{source}:{lines.get(location, 1)}: {at}: missing; expected a value; add it"
    if kind in {"union_tag_invalid", "union_tag_not_found"}:
        return _explain_kind(problem, model, location, lines, source)
    if kind == "wrong_at":
        location = _known_part((*problem["loc"], *problem["ctx"]["below"]), lines)
    at = ".".join(map(str, location)) or "the file"
    line = lines.get(location, 1)
    if kind == "wrong_at":
        return f"{source}:{line}: {at}: {problem['ctx']['text']}"
    if kind == "extra_forbidden":
        return f"{source}:{line}: {at}: unknown field; {_instead_of(problem['loc'], model)}"
    if kind == "too_short":
        few, fewest = problem["ctx"]["actual_length"], problem["ctx"]["min_length"]
        return f"{source}:{line}: {at}: found {few}; expected at least {fewest} of them; add some"
    if kind == WRITTEN_SECRET:
        return f"{source}:{line}: {at}: {problem['msg']}"
    expected = "expected fields below it, as name: value" if kind in _NO_FIELDS else problem["msg"]
    expected = expected.removeprefix("Value error, ")
    expected = f"{expected[:1].lower()}{expected[1:]}"
    if _may_hold_a_secret(problem["input"], problem["loc"]):
        return f"{source}:{line}: {at}: {expected}"
    found = repr(problem["input"])
    found = found if len(found) <= 80 else found[:77] + "..."
    return f"{source}:{line}: {at}: found {found}; {expected}"


def _may_hold_a_secret(found: Any, location: Location = ()) -> bool:
    if not _SECRET_FIELDS.isdisjoint(map(str, location)):
        return True
    if isinstance(found, Mapping):
        return any(_may_hold_a_secret(value, (str(name),)) for name, value in found.items())
    return isinstance(found, list) and any(_may_hold_a_secret(one) for one in found)


def _explain_kind(
    problem: Any, model: type[BaseModel], location: Location, lines: dict[Location, int], source: str
) -> str:
    """Say that what a mapping says it is does not exist, or that it says nothing."""
    field = problem["ctx"]["discriminator"].strip("'")
    at = (*location, field)
    known = _kinds(model, problem["loc"], field)
    subject = f"{source}:{lines.get(at, lines.get(location, 1))}: {'.'.join(map(str, at))}"
    expected = f"expected one of {', '.join(known)}"
    if problem["type"] == "union_tag_not_found":
        return f"{subject}: missing; {expected}; add it"
    tag = str(problem["ctx"]["tag"])
    close = difflib.get_close_matches(tag, known, n=1)
    return f"{subject}: found {tag[:80]!r}; {expected}" + (f"; did you mean {close[0]!r}?" if close else "; correct it")


def _instead_of(location: Location, model: type[BaseModel]) -> str:
    name, possible = str(location[-1]), _possible(model, location[:-1])
    if name in _field_names(possible):
        return "another type has it, this one has not; remove it"
    # A field of another type is no help to who has named the type.
    own = [one for one in possible if any(_is_tag(field, location) for field in one.get("properties", {}).values())]
    close = difflib.get_close_matches(name, _field_names(own or possible), n=1)
    return f"did you mean {close[0]!r}?" if close else "remove it, or look it up in the configuration reference"


def _known_part(location: Location, lines: Mapping[Location, int]) -> Location:
    """Drop what pydantic adds to a path (tags of unions) and what is absent from the file."""
    known: Location = ()
    for part in location:
        if (*known, part) in lines:
            known = (*known, part)
    return known


def _field_names(possible: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the fields of every kind that may stand in a place."""
    return sorted({name for one in possible for name in one.get("properties", {})})


def _is_tag(field: Mapping[str, Any], location: Location) -> bool:
    """Return whether ``field`` says which kind of a union ``location`` leads through."""
    return "const" in field and field["const"] in location


def _kinds(model: type[BaseModel], location: Location, field: str) -> list[str]:
    """Return what ``field`` may be at ``location``, in the order of the schema."""
    fields = [one.get("properties", {}).get(field, {}) for one in _possible(model, location)]
    return list(dict.fromkeys(str(one["const"]) for one in fields if "const" in one))


def _possible(model: type[BaseModel], location: Location) -> list[Mapping[str, Any]]:
    whole = _schema(model)
    here = _options(whole, whole)
    for part in location:
        # A part that leads nowhere is what pydantic adds to a path: the tag of a union.
        here = [option for one in here for inner in _within(one, part) for option in _options(inner, whole)] or here
    return here


@functools.cache
def _schema(model: type[BaseModel]) -> Mapping[str, Any]:
    return model.model_json_schema()


def _options(schema: Mapping[str, Any], whole: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    if "$ref" in schema:
        return _options(whole["$defs"][schema["$ref"].rsplit("/", 1)[-1]], whole)
    options = [*schema.get("anyOf", ()), *schema.get("oneOf", ())]
    return [found for option in options for found in _options(option, whole)] or [schema]


def _within(schema: Mapping[str, Any], part: str | int) -> list[Mapping[str, Any]]:
    if isinstance(part, int):
        return [schema["items"]] if "items" in schema else []
    if part in schema.get("properties", {}):
        return [schema["properties"][part]]
    named = [*schema.get("patternProperties", {}).values(), schema.get("additionalProperties")]
    return [inner for inner in named if isinstance(inner, dict)]
