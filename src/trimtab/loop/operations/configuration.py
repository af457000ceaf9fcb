"""Changing limits in a model's files, through the gate: checked before anybody is asked to agree."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from trimtab.config.patching import Scalar, changes_told
from trimtab.core.canonical import JsonObject
from trimtab.core.enums import Role
from trimtab.core.errors import ConfigError
from trimtab.loop.actions.config_files import CHANGEABLE, digest_of_file, new_content
from trimtab.loop.actor import Actor
from trimtab.loop.asking import Wish, ask, waiting_told
from trimtab.loop.operation import operation
from trimtab.loop.platform import Platform
from trimtab.loop.requests import ModelRequest, Reason
from trimtab.remediation.kinds import ActionKind

_VALUE_CHARS = 200


def _readable(value: Scalar) -> Scalar:
    if isinstance(value, str) and (len(value) > _VALUE_CHARS or not value.isprintable()):
        raise ValueError(f"a text needs {_VALUE_CHARS} characters at most, and nothing that does not print")
    return value


_Value = Annotated[bool | int | float | str | None, AfterValidator(_readable)]


class ChangeConfig(ModelRequest):
    """Which file, what shall stand at which places, and why."""

    file: str = Field(max_length=64, description=f"One of {', '.join(CHANGEABLE)}.")
    values: dict[str, _Value] = Field(
        min_length=1, max_length=50, description="New values by their paths, e.g. 'monitors.0.limits.mape'."
    )
    reason: Reason = Field(min_length=1)


@operation("config.change", "POST", "/api/models/{model}/config", Role.OPERATOR, ChangeConfig)
def change(platform: Platform, actor: Actor, request: ChangeConfig) -> JsonObject:
    """Change limits in a model's file; the old file is kept, and comes back if the change proves to be of no use."""
    if request.file not in CHANGEABLE:
        raise ConfigError(f"file {request.file!r}: expected one of {', '.join(CHANGEABLE)}; correct it")
    present = (platform.project.model_folder(request.model) / request.file).read_bytes()
    new_content(platform.project, request.model, request.file, present, request.values)
    told = changes_told(present.decode("utf-8"), request.values, source=request.file)
    new = ", ".join(f"{path} = {after}" for path, (_before, after) in told.items())
    purpose = f"set {new} in {request.file} of {request.model}"
    params: JsonObject = {
        "file": request.file,
        "set": request.values,
        "changes": [{"path": path, "old": before, "new": after} for path, (before, after) in told.items()],
        "digest": digest_of_file(present),
        "reason": request.reason,
    }
    with platform.database.transaction() as connection:
        wish = Wish(ActionKind.CHANGE_CONFIG, request.model, purpose, params, about=request.file)
        asked = ask(connection, platform, actor, wish)
        answer = waiting_told(connection, asked)
    platform.wake.set()
    state = "running" if asked.request is None else asked.request.state.value
    return {"model": request.model, "file": request.file, "set": request.values, "state": state, **answer}
