"""Seals checkpoints, and judges those that are found: who signed them, and whether one was taken away or changed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from trimtab.audit.checkpoint import SIGNATURE_SUFFIX, Checkpoint, decode, encode, file_name, is_checkpoint
from trimtab.audit.key_chain import KeyChain
from trimtab.audit.keys import SigningKey
from trimtab.audit.walk import Place
from trimtab.core.errors import ArtifactUntrustedError

__all__ = ["CheckpointFile", "Seal", "checkpoint_after", "files_of", "judge", "sealed"]


@dataclass(frozen=True, slots=True)
class CheckpointFile:
    """A checkpoint as it lies somewhere: its name, its bytes, and the bytes of the signature beside it."""

    name: str
    content: bytes
    signature: bytes | None = None

    @property
    def sequence(self) -> int:
        """Which entry it is about, by its name."""
        return int(self.name.removesuffix(".json").rpartition("-")[2])

    @property
    def digest(self) -> str:
        """The SHA-256 of the file's bytes, by which later ones name it."""
        return hashlib.sha256(self.content).hexdigest()


@dataclass(frozen=True, slots=True)
class Seal:
    """What a file is worth: ``checkpoint`` where it can be read, ``fault`` where it is not to be believed.

    ``only_unvouched``: it is signed rightly, by a key that nobody vouched for.
    """

    sequence: int
    checkpoint: Checkpoint | None
    signed_by: str | None = None
    fault: str | None = None
    only_unvouched: bool = False


def checkpoint_after(before: CheckpointFile | None, head: Place, *, at_us: int, key_id: str | None) -> Checkpoint:
    """Return the checkpoint of the chain at ``head``, whose entry is of ``at_us``, when ``before`` is the one before.

    Raises:
        ArtifactUntrustedError: ``before`` is none.
    """
    known = None if before is None else decode(before.content, before.name)
    named = None
    if before is not None and known is not None:
        named = before.digest if known.first_of == "day" and known.schema_version > 1 else known.previous
    return Checkpoint(
        sequence=head.sequence,
        hash=head.hash,
        at_us=at_us,
        first_of="day" if known is None else known.rank_of_next(at_us),
        previous=named,
        key_id=key_id,
    )


def sealed(checkpoint: Checkpoint, key: SigningKey) -> CheckpointFile:
    """Return the checkpoint's file with the signature of ``key``."""
    content = encode(checkpoint)
    return CheckpointFile(file_name(checkpoint.sequence), content, key.sign(content))


def files_of(contents: Iterable[tuple[str, bytes]]) -> list[CheckpointFile]:
    """Return the checkpoints among files by name, the farthest last."""
    found = dict(contents)
    names = sorted(name for name in found if is_checkpoint(name))
    return [CheckpointFile(name, found[name], found.get(f"{name}{SIGNATURE_SUFFIX}")) for name in names]


def judge(files: Sequence[CheckpointFile], chain: KeyChain, *, needs_trust: bool) -> list[Seal]:
    """Return what each of ``files`` is worth, in their order: the farthest last.

    ``needs_trust``: whether only checkpoints by trusted keys count, or ones of before there was a key.
    """
    days = set[str]()
    seals = []
    for file in files:
        seal = _seal(file, chain, needs_trust=needs_trust)
        found = seal.checkpoint
        if found is not None and seal.fault is None and found.previous is not None and found.previous not in days:
            what = (
                f"checkpoint {found.sequence} names one before it (SHA-256 {found.previous[:12]}…) that is not there: "
                "it was taken away or changed"
            )
            seal = Seal(seal.sequence, found, seal.signed_by, what)
        if found is not None and found.first_of == "day":
            days.add(file.digest)
        seals.append(seal)
    return seals


def _seal(file: CheckpointFile, chain: KeyChain, *, needs_trust: bool) -> Seal:
    try:
        found = decode(file.content, file.name)
    except ArtifactUntrustedError as error:
        return Seal(file.sequence, None, fault=str(error))
    signed_by, fault = _signer(file, found, chain)
    if fault is None and signed_by is not None and needs_trust and not chain.is_trusted(signed_by):
        unvouched = f"checkpoint {found.sequence} is signed by key {signed_by}, for which no trusted key vouches"
        return Seal(found.sequence, found, signed_by, unvouched, only_unvouched=True)
    return Seal(found.sequence, found, signed_by, fault)


def _signer(file: CheckpointFile, found: Checkpoint, chain: KeyChain) -> tuple[str | None, str | None]:
    """Return who signed the file, and why that is not to be believed."""
    name = f"checkpoint {found.sequence}"
    notice = chain.current(found.sequence)
    if found.key_id is None:
        if notice is None:
            return None, None
        return None, f"{name} is not signed, though the log has named key {notice.key.id} at entry {notice.sequence}"
    key = chain.key(found.key_id)
    if key is None:
        return None, f"{name} says that key {found.key_id} signed it, which the log does not name"
    if file.signature is None:
        return None, f"{name} says that key {key.id} signed it, and its signature is missing"
    if not key.has_signed(file.content, file.signature):
        return None, f"{name} is not what key {key.id} signed: file or signature were changed"
    if notice is None or notice.key.id != key.id:
        named = "none" if notice is None else notice.key.id
        return key.id, f"{name} is signed by key {key.id}, and the log names {named} at that entry"
    return key.id, None
