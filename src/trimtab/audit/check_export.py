"""Verifies an exported audit log, with the package cryptography alone: ``python check.py FOLDER [KEY.pem ...]``."""

import hashlib
import json
import sys
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key


def chain(lines: list[bytes]) -> dict[int, str]:
    """Return the hash of each entry by its sequence; what is hashed stands in the line as it was hashed."""
    hashes: dict[int, str] = {}
    for line in lines:
        told = json.loads(line)
        number, before = told["entry"]["sequence"], told["entry"]["previous_hash"]
        hashes = hashes or {number - 1: before if number > 1 else "0" * 64}
        if hashes.get(number - 1) != before:
            sys.exit(f"broken at entry {max(hashes) + 1}: it is missing, or does not follow the one before")
        hashes[number] = hashlib.sha256(line[9:-76]).hexdigest()
        if hashes[number] != told["hash"]:
            sys.exit(f"broken at entry {number}: it was edited")
    return hashes


def is_signed(path: Path, keys: list[Ed25519PublicKey]) -> bool:
    """Return whether one of ``keys`` has signed the checkpoint in ``path``."""
    for key in keys:
        try:
            key.verify(path.with_name(path.name + ".sig").read_bytes(), path.read_bytes())
        except (InvalidSignature, FileNotFoundError):
            continue
        return True
    return False


def check(folder: Path, known: list[Path]) -> str:
    """Return what was found whole; leave the program where something is not."""
    hashes = chain((folder / "entries.jsonl").read_bytes().splitlines(keepends=True))
    paths = known or sorted((folder / "keys").glob("*.pem"))
    keys = [key for path in paths if isinstance(key := load_pem_public_key(path.read_bytes()), Ed25519PublicKey)]
    signed = []
    for path in sorted((folder / "checkpoints").glob("*.json")):
        told = json.loads(path.read_bytes())
        if told["sequence"] >= min(hashes, default=0) and hashes.get(told["sequence"]) != told["hash"]:
            sys.exit(f"broken at or before entry {told['sequence']}: {path.name} saw another, or the end is cut")
        if told.get("key_id") is not None and not is_signed(path, keys):
            sys.exit(f"{path.name}: none of {len(keys)} keys has signed it")
        signed += [told["sequence"]] if told.get("key_id") is not None else []
    return f"entries up to {max(hashes, default=0)} are whole; signed up to {max(signed, default=0)}"


if __name__ == "__main__":
    sys.stdout.write(check(Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]]) + "\n")
