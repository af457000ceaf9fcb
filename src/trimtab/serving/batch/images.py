"""Images that are files: found by name and content, hashed before one is answered, and read a few at a time."""

from __future__ import annotations

import glob
import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import pyarrow as pa

from trimtab.core.errors import ConfigError, DataContractError
from trimtab.files import sha256_of_file
from trimtab.serving.batch.inputs import RowRange

__all__ = ["PATH", "FoundImage", "ImageFiles", "examine_images", "image_batches", "sort_out"]

PATH: Final = "path"
"""The column of the output that says which image a row is about."""

_NAMED_SO: Final = frozenset(
    (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".heic", ".heif", ".avif")
)
"""Pictures by their names. Those of a kind that is not read are told like damaged ones, and never left out."""

_HEAD_BYTES: Final = 12
_BATCH_BYTES: Final = 64_000_000
_MOST_BYTES: Final = 512 << 20


@dataclass(frozen=True, slots=True)
class FoundImage:
    """A file, and what the output calls it."""

    path: Path
    name: str


@dataclass(frozen=True, slots=True)
class _ImageFile:
    path: str
    name: str
    digest: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class ImageFiles:
    """All images of a run, or those of a part: row ``first`` and on. ``column``: what the model calls an image."""

    path: str
    digest: str
    column: str
    images: tuple[_ImageFile, ...]
    ranges: tuple[RowRange, ...]
    first: int = 0

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that come out beside the answer."""
        return (PATH,)

    @property
    def rows(self) -> int:
        """How many images."""
        return len(self.images)

    def part(self, rows: RowRange) -> ImageFiles:
        """Return what a process needs for one part."""
        at = rows.first - self.first
        return replace(self, images=self.images[at : at + rows.rows], ranges=(rows,), first=rows.first)

    def identity(self, row: int) -> tuple[str, int]:
        """Return what makes row ``row`` the same in another run: the image's content, and its name."""
        image = self.images[row - self.first]
        return f"{image.digest}\0{image.name}", 0

    def told(self, row: int, reason: str) -> str:
        """Return ``reason`` with the image that it is about."""
        return f"{self.images[row - self.first].path}: {reason.removeprefix(f'field {self.column!r}: ')}"


def sort_out(named: Sequence[str]) -> tuple[list[FoundImage], list[str]]:
    """Return the images that are meant by files, folders and patterns, and the names that stand for no image.

    A folder stands for the images in it and below it, by path; one without any for its tables. Hidden files and folders
    are left out.

    Raises:
        ConfigError: an image is named twice.
    """
    found: list[FoundImage] = []
    others: list[str] = []
    for name in named:
        path = Path(name)
        if path.is_dir():
            below = list(_below(path))
            others += [] if below else [name]
            found += [FoundImage(path / one, one if len(named) == 1 else str(path / one)) for one in below]
        else:
            meant = [path] if path.exists() else [Path(one) for one in sorted(glob.glob(name, recursive=True))]
            files = [one for one in meant if one.is_file()]
            others += [name] if not files else [str(one) for one in files if not _is_image(one)]
            found += [FoundImage(one, str(one)) for one in files if _is_image(one)]
    seen: set[Path] = set()
    for image in found:
        where = image.path.resolve()
        if where in seen:
            raise ConfigError(f"{image.path}: is named twice; name it once, since every image gets one answer")
        seen.add(where)
    return found, others


def examine_images(found: Sequence[FoundImage], *, of: str, column: str, rows_a_part: int) -> ImageFiles:
    """Return what the images are; each is read once. ``of``: what was named.

    Raises:
        DataContractError: one cannot be read.
    """
    images, hashed = [], hashlib.sha256()
    for each in found:
        try:
            digest, size = sha256_of_file(each.path), each.path.stat().st_size
        except OSError as error:
            raise _unreadable(str(each.path), error) from error
        if size > _MOST_BYTES:
            raise DataContractError(f"{each.path}: {size} bytes, an image has at most {_MOST_BYTES}; leave it out")
        # A name need not be UTF-8, and a column of text has to be.
        name = os.fsencode(each.name).decode("utf-8", "backslashreplace")
        images.append(_ImageFile(str(each.path), name, digest, size))
        hashed.update(f"{name}\0{digest}\n".encode())
    ranges = tuple(RowRange(at, min(at + rows_a_part, len(images))) for at in range(0, len(images), rows_a_part))
    return ImageFiles(of, hashed.hexdigest(), column, tuple(images), ranges)


def image_batches(files: ImageFiles, most_rows: int) -> Iterator[pa.Table]:
    """Yield the images of ``files`` as they stand in their files, at most ``most_rows`` and some megabytes together.

    Raises:
        DataContractError: one cannot be read, or is another than when it was examined.
    """
    for batch in _batches(files.images, most_rows):
        yield pa.table(
            {
                PATH: pa.array([image.name for image in batch], pa.string()),
                files.column: pa.array([_content(image) for image in batch], pa.large_binary()),
            }
        )


def _below(folder: Path) -> Iterator[str]:
    """Yield the images in and below ``folder``, as seen from it, sorted."""
    found = []
    for root, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        here = Path(root)
        found += [
            (here / name).relative_to(folder).as_posix()
            for name in names
            if not name.startswith(".") and _is_image(here / name)
        ]
    yield from sorted(found)


def _is_image(path: Path) -> bool:
    """Return whether a file is a picture by its name, or an image that is read by its first bytes."""
    if path.suffix.lower() in _NAMED_SO:
        return True
    try:
        with path.open("rb") as stream:
            head = stream.read(_HEAD_BYTES)
    except OSError:
        return False
    return head.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")) or (head[:4] == b"RIFF" and head[8:] == b"WEBP")


def _batches(images: Iterable[_ImageFile], most_rows: int) -> Iterator[list[_ImageFile]]:
    batch: list[_ImageFile] = []
    size = 0
    for image in images:
        if batch and (len(batch) >= most_rows or size + image.size_bytes > _BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(image)
        size += image.size_bytes
    if batch:
        yield batch


def _content(image: _ImageFile) -> bytes:
    try:
        content = Path(image.path).read_bytes()
    except OSError as error:
        raise _unreadable(image.path, error) from error
    if hashlib.sha256(content).hexdigest() != image.digest:
        raise DataContractError(
            f"{image.path}: was changed while the batch ran; wait until it is whole, then start again into another "
            "--output"
        )
    return content


def _unreadable(path: str, error: OSError) -> DataContractError:
    return DataContractError(f"{path}: cannot be read ({error.strerror}); mend it or leave it out, and start again")
