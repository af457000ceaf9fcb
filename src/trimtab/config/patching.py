"""Changing single values of a YAML file, so that comments, order and everything else stay as a person wrote them."""

from __future__ import annotations

import re
from collections.abc import Mapping

import yaml

from trimtab.core.errors import ConfigError

__all__ = ["Scalar", "changes_told", "patched"]

Scalar = bool | int | float | str | None


def patched(text: str, changes: Mapping[str, Scalar], *, source: str) -> str:
    """Return ``text`` with the values at these paths (``monitors.0.limits.mape``) replaced; each has to be there.

    >>> patched("limits: {mape: 0.3}  # agreed", {"limits.mape": 0.4}, source="x.yaml")
    'limits: {mape: 0.4}  # agreed'

    What a value says never changes what stands around it: strings are written in double quotes, and the new text is
    held against the old one.

    Raises:
        ConfigError: the text is no YAML; a path leads to nothing, to more than a single value, or to one that cannot be
            replaced alone (a block of lines, an anchor or what an alias repeats).
    """
    ends: dict[int, int] = {}
    written: dict[int, str] = {}
    for path, value in changes.items():
        node = _at(text, path, source)
        start = node.start_mark.index
        if start in ends:
            raise ConfigError(f"{source}: {path[:120]!r} is named twice; name it once")
        ends[start], written[start] = node.end_mark.index, _written(value)
    after = text
    for start, end in sorted(ends.items(), reverse=True):
        # Nothing at all is a value, right behind its colon.
        after = after[:start] + (" " if start == end else "") + written[start] + after[end:]
    if not _differs_only(text, after, written):
        raise ConfigError(f"{source}: {', '.join(changes)[:200]!r} cannot be changed alone; change it by hand")
    return after


def changes_told(text: str, changes: Mapping[str, Scalar], *, source: str) -> dict[str, tuple[str, str]]:
    """Return by path what stands in ``text`` now, and what `patched` would write there, both as they are written.

    >>> changes_told("limits: {mape: 0.3}", {"limits.mape": "0.3"}, source="x.yaml")
    {'limits.mape': ('0.3', '"0.3"')}

    Raises:
        ConfigError: a path leads to nothing, or to more than a single value.
    """
    nodes = {path: _at(text, path, source) for path in changes}
    return {
        path: (text[node.start_mark.index : node.end_mark.index].strip(), _written(changes[path]))
        for path, node in nodes.items()
    }


def _differs_only(before: str, after: str, written: Mapping[int, str]) -> bool:
    """Say whether ``after`` reads as ``before`` does, but for the values written at these places of ``before``."""
    wanted = []
    for event in yaml.parse(before, Loader=yaml.SafeLoader):
        place = event.start_mark.index if isinstance(event, yaml.ScalarEvent) and event.start_mark else -1
        wanted.append(_scalar(written[place]) if place in written else _read_as(event))
    try:
        return wanted == [_read_as(event) for event in yaml.parse(after, Loader=yaml.SafeLoader)]
    except yaml.YAMLError:
        return False


def _scalar(written: str) -> tuple[object, ...]:
    events = yaml.parse(written, Loader=yaml.SafeLoader)
    return next(_read_as(event) for event in events if isinstance(event, yaml.ScalarEvent))


def _read_as(event: yaml.Event) -> tuple[object, ...]:
    """Return all that an event says, but how it is laid out and where."""
    return type(event), *(getattr(event, name, None) for name in ("anchor", "tag", "implicit", "value"))


def _at(text: str, path: str, source: str) -> yaml.ScalarNode:
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise ConfigError(f"{source}: is no YAML ({error}); correct it") from error
    for step in path.split("."):
        node = _below(node, step)
        if node is None:
            raise ConfigError(
                f"{source}: has nothing at {path!r} ({step!r}); write it there first, or correct the path"
            )
        # What an alias repeats stands at its anchor: it would change in all places at once.
        if text[node.start_mark.index : node.start_mark.index + 1] in {"&", "!"}:
            raise ConfigError(f"{source}: {path!r} stands at {step!r} behind an anchor or a tag; change it by hand")
    if not isinstance(node, yaml.ScalarNode):
        raise ConfigError(f"{source}: {path!r} is no single value; name one below it")
    if node.style in {"|", ">"}:
        raise ConfigError(f"{source}: {path!r} is a block of lines; change it by hand")
    return node


def _below(node: yaml.Node | None, step: str) -> yaml.Node | None:
    if isinstance(node, yaml.MappingNode):
        return next((value for key, value in node.value if getattr(key, "value", None) == step), None)
    if isinstance(node, yaml.SequenceNode) and re.fullmatch(r"[0-9]{1,4}", step) and int(step) < len(node.value):
        found: yaml.Node = node.value[int(step)]
        return found
    return None


def _written(value: Scalar) -> str:
    if isinstance(value, str):
        # Plain, a text could end the map or list that it stands in, and name others of their keys.
        return yaml.safe_dump(value, default_style='"', width=16 * len(value) + 80, allow_unicode=True).strip()
    # A document of one scalar ends with a marker of its own.
    return yaml.safe_dump(value, default_flow_style=True).removesuffix("...\n").strip()
