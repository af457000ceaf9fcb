"""Changing limits in a model's files: checked before, written whole, the old file kept, taken back if of no use."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from trimtab.config.patching import Scalar, patched
from trimtab.config.project import ProjectFolder
from trimtab.core.errors import BackendError, ConfigError, ConflictError, NotFoundError
from trimtab.files import write_atomically
from trimtab.loop.actions.base import Began, Outside, Undo
from trimtab.loop.model_files import FILE_MODELS, load_model_files
from trimtab.loop.platform import Platform
from trimtab.remediation.actions import ActionRequest
from trimtab.remediation.kinds import ActionKind

__all__ = ["CHANGEABLE", "ChangeConfig", "digest_of_file", "new_content"]

CHANGEABLE: Mapping[str, tuple[str, ...]] = {
    "monitoring_config.yaml": ("monitors.",),
    "deployment_config.yaml": ("strategy.limits.", "autoscaling."),
}
"""The files that may be changed, and what the path of a value has to begin with: limits, and no identities."""


class ChangeConfig(Outside):
    """Changes values of one file: ``params`` are ``file``, ``set`` (path → value) and ``digest`` of the file as it was.

    Taking it back has ``file``, ``restore`` (the digest of the kept content) and ``digest``.
    """

    kind: ClassVar[ActionKind] = ActionKind.CHANGE_CONFIG

    def reach_outside(self, platform: Platform, request: ActionRequest) -> Began:
        """Write the file, whose old content is kept first; a file that is as wanted already is left alone.

        Raises:
            NotFoundError: nothing is named that should be changed.
            ConfigError: the new content does not fit.
            ConflictError: somebody changed the file since this was asked for.
        """
        name = str(request.params.get("file", ""))
        if name not in CHANGEABLE:
            raise NotFoundError(
                f"{request.model}: no file and values are named that should change; ask for it by "
                f"'trimtab config change {request.model}'"
            )
        path = platform.project.model_folder(request.model) / name
        kept = platform.project.kept_config
        present, noted = path.read_bytes(), kept / f"{request.id}.json"
        if noted.is_file():
            # Begun before: killed after the write or before it, this says what is wanted.
            wanted = json.loads(noted.read_bytes())
        else:
            wanted = self._planned(platform, request, name, present, kept)
            _write(noted, json.dumps(wanted).encode())
        digest = digest_of_file(present)
        if digest == wanted["before"]:
            _write(path, _kept(kept, wanted["after"]), mode=path.stat().st_mode & 0o777)
        elif digest != wanted["after"]:
            raise _changed(request.model, name)
        told = ", ".join(f"{at} = {value}" for at, value in request.params.get("set", {}).items())
        outcome = f"{name}: {told}" if told else f"{name} is as it was before"
        return Began(outcome, {"file": name, "before": wanted["before"], "after": wanted["after"]})

    def undo(self, request: ActionRequest) -> Undo | None:
        """Return the change back to the content that was kept."""
        if request.undoes is not None or "before" not in request.effect:
            return None
        effect = request.effect
        params = {"file": effect["file"], "restore": effect["before"], "digest": effect["after"]}
        return Undo(ActionKind.CHANGE_CONFIG, f"restore {effect['file']}: the change was of no use", params)

    def _planned(
        self, platform: Platform, request: ActionRequest, name: str, present: bytes, kept: Path
    ) -> dict[str, str]:
        before = digest_of_file(present)
        if before != request.params.get("digest", before):
            raise _changed(request.model, name)
        restore = request.params.get("restore")
        if restore is not None:
            after = _kept(kept, str(restore))
        else:
            after = new_content(platform.project, request.model, name, present, request.params.get("set", {}))
        for content in (present, after):
            _write(kept / digest_of_file(content), content)
        return {"before": before, "after": digest_of_file(after)}


def new_content(project: ProjectFolder, model: str, name: str, present: bytes, changes: Mapping[str, Scalar]) -> bytes:
    """Return the content that file ``name`` of ``model`` has with ``changes``, held against all files of the model.

    Raises:
        ConfigError: the file may not be changed so, a path leads to nothing, or the files contradict each other then.
    """
    if name not in CHANGEABLE or not changes:
        raise ConfigError(f"{name[:80]!r}: expected one of {', '.join(CHANGEABLE)}, and a value; correct it")
    for path in changes:
        if not path.startswith(CHANGEABLE[name]):
            allowed = ", ".join(f"{one}…" for one in CHANGEABLE[name])
            raise ConfigError(f"{name}: {path[:120]!r} is no limit, expected {allowed}; change it by hand")
    try:
        text = present.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{name}: is not in UTF-8 ({error.reason}); save it so") from error
    content = patched(text, changes, source=name).encode()
    _check(project, model, name, content)
    return content


def digest_of_file(content: bytes) -> str:
    """Return the SHA-256 of a file's bytes."""
    return hashlib.sha256(content).hexdigest()


def _check(project: ProjectFolder, model: str, name: str, content: bytes) -> None:
    """Read a copy of the model's files with the new content, so that nobody meets one that does not fit."""
    with tempfile.TemporaryDirectory(prefix="trimtab-config-") as folder:
        copy = Path(folder)
        shutil.copyfile(project.root / "trimtab.yaml", copy / "trimtab.yaml")
        target = copy / "models" / model
        target.mkdir(parents=True)
        for one in FILE_MODELS:
            shutil.copyfile(project.model_folder(model) / one, target / one)
        (target / name).write_bytes(content)
        try:
            load_model_files(ProjectFolder.open(copy), model)
        except ConfigError as error:
            raise ConfigError(str(error).replace(f"{copy.resolve()}/", "")) from None


def _kept(folder: Path, digest: str) -> bytes:
    try:
        content = (folder / Path(digest).name).read_bytes()
    except OSError as error:
        raise NotFoundError(f"config {digest[:12]}: was not kept ({error.strerror}); restore it by hand") from error
    if digest_of_file(content) != digest:
        raise ConflictError(f"config {digest[:12]}: the kept content was changed; restore it by hand")
    return content


def _write(path: Path, content: bytes, *, mode: int = 0o600) -> None:
    try:
        write_atomically(path, content, mode=mode)
    except OSError as error:
        raise BackendError(
            f"{path.name}: cannot be written ({error.strerror}); free the disk, or mend its rights"
        ) from error


def _changed(model: str, name: str) -> ConflictError:
    return ConflictError(
        f"{model}: {name} was changed since this was asked for; nothing was written; look at it, and ask again"
    )
