from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import trimtab.loop
from trimtab.remediation.kinds import ActionKind, Origin
from trimtab.remediation.proposed import PROPOSED, Form, Named

_LOOP = Path(trimtab.loop.__file__).parent
# Named by who calls: a person's wish has no other origin.
_PASSED_ON = {"asking.py"}
_WHOSE = {"endpoints.py": {ActionKind(one) for one in ("pause_endpoint", "resume_endpoint", "scale", "clear_cache")}}


def _calls(name: str) -> Iterator[tuple[Path, ast.Call, dict[str, str]]]:
    """Yield each call of ``name`` in the loop, with what names of its file are plainly assigned to."""
    for path in sorted(_LOOP.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name:
                yield path, node, _assigned(tree)


def _assigned(tree: ast.Module) -> dict[str, str]:
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Tuple)
            and isinstance(node.value, ast.Tuple)
        ):
            found |= {
                ast.unparse(a): ast.unparse(b) for a, b in zip(node.targets[0].elts, node.value.elts, strict=True)
            }
    return found


def _action(text: str | None, assigned: dict[str, str]) -> ActionKind | None:
    return None if text is None else ActionKind[assigned.get(text, text).removeprefix("ActionKind.")]


def test_the_table_says_what_the_loop_proposes() -> None:
    found: set[Form] = set()
    for path, call, assigned in _calls("Proposal"):
        # What an agreement covers is held against the rules, not proposed.
        if path.name in {*_PASSED_ON, "covered.py"}:
            continue
        given = {str(one.arg): ast.unparse(one.value) for one in call.keywords}
        assert not call.args, f"{path.name}: name the fields of a proposal"
        action = _action(given.get("action"), assigned)
        severity = given.get("severity", "0.0")
        named = Named.NONE
        if "diagnosis" in given:
            named = Named.OWN if action is None else Named.LAST
        found.add(
            Form(
                Origin[given["origin"].removeprefix("Origin.")],
                action,
                None if severity == "diagnosis.severity" else float(severity),
                named,
            )
        )
    for path, call, assigned in _calls("Wish"):
        kind = ast.unparse(call.args[0])
        wished = _WHOSE[path.name] if kind == "kind" else {_action(kind, assigned)}
        found |= {Form(Origin.PERSON, one) for one in wished}
    assert found == set(PROPOSED)
