"""Our server, through its public command: two variants at 90:10 behind each endpoint, metrics and routing always on."""

from __future__ import annotations

import contextlib
import json
import sys
import tempfile
from decimal import Decimal
from pathlib import Path

import msgspec
import numpy as np
import onnxruntime
import pyarrow as pa
from bench.serving.frozen import HERE
from bench.serving.peer_servers import row
from bench.serving.servers import Server, free_port

from trimtab.bundle.manifest import Feature, Lineage, Manifest, Parity
from trimtab.bundle.writer import read_manifest, write_bundle
from trimtab.core.enums import ColumnKind, Task
from trimtab.files import write_atomically
from trimtab.serving.place import journal_folder
from trimtab.serving.spec import EndpointSpec, VariantSpec
from trimtab.serving.spec_files import spec_path

__all__ = [
    "LOGGED",
    "UNLOGGED",
    "clear_journal",
    "endpoint_spec",
    "our_server",
    "put_spec",
    "state_folder",
    "write_bundles",
]

LOGGED, UNLOGGED = "heart", "heart-unlogged"
_GOLDEN_ROWS = 64


def write_bundles(folder: Path) -> tuple[Path, Path]:
    """Write two bundles around the frozen graph; they differ in their name for the lineage, and so in their digest."""
    for number in (1, 2):
        target = folder / f"bundle-{number}"
        if not target.exists():
            golden = _golden()
            manifest = Manifest(
                model="heart",
                task=Task.BINARY,
                target="disease",
                algorithm="logistic regression",
                created_at="2030-01-01T00:00:00+00:00",
                features=tuple(
                    Feature(name=name, kind=ColumnKind.NUMBER, example=value) for name, value in row().items()
                ),
                classes=("no", "yes"),
                positive_class="yes",
                parity=Parity(rows=golden.num_rows, max_abs_difference=0.0, tolerance=1e-4),
                lineage=Lineage(snapshot_id=f"bench-{number}", dataset_hash="0" * 64, config_hash="0" * 64),
                files={},
            )
            graph = (HERE / "model" / "model.onnx").read_bytes()
            write_bundle(target, manifest, model_onnx=graph, golden=golden, reference=lambda _: None)
    return folder / "bundle-1", folder / "bundle-2"


def endpoint_spec(endpoint: str, bundle: Path, *, generation: int = 1) -> EndpointSpec:
    """Return a spec with two variants of ``bundle``, recorded unless it is the endpoint without a log."""
    digest = read_manifest(bundle).digest
    return EndpointSpec(
        endpoint=endpoint,
        generation=generation,
        record=endpoint != UNLOGGED,
        variants=tuple(
            VariantSpec(
                name=name,
                model="heart",
                model_version=generation,
                bundle_path=str(bundle),
                bundle_digest=digest,
                weight_pct=Decimal(weight),
            )
            for name, weight in (("stable", 90), ("canary", 10))
        ),
    )


def put_spec(state: Path, spec: EndpointSpec) -> None:
    """Tell the server what to serve."""
    write_atomically(spec_path(state, spec.endpoint), msgspec.json.encode(spec))


def our_server(state: Path, endpoint: str, port: int | None = None) -> Server:
    """Return our server on ``state``, asked at one of its endpoints. Servers of one port are one process."""
    taken = free_port() if port is None else port
    return Server(
        "ours" if endpoint == LOGGED else "ours-unlogged",
        [sys.executable, "-m", "trimtab.serving.server", "--state", str(state), "--port", str(taken)],
        taken,
        f"/predict/{endpoint}",
        json.dumps({"row": row()}).encode(),
        b'"prediction":"yes"',
        state,
    )


def clear_journal(state: Path) -> None:
    """Remove what a round has recorded, but for the files that are still written: nobody ships it here."""
    files = sorted(journal_folder(state).glob("*.journal"))
    for path in files[:-1]:
        with contextlib.suppress(FileNotFoundError):
            path.unlink()


def state_folder(work: Path) -> Path:
    """Return a new state folder with both endpoints in it."""
    first, _ = write_bundles(work)
    state = Path(tempfile.mkdtemp(dir=work, prefix="state-"))
    for endpoint in (LOGGED, UNLOGGED):
        put_spec(state, endpoint_spec(endpoint, first))
    return state


def _golden() -> pa.Table:
    names = list(row())
    estimator = json.loads((HERE / "model" / "estimator.json").read_text())
    rng = np.random.default_rng(7)
    values = np.array(estimator["mean"]) + np.array(estimator["scale"]) * rng.normal(size=(_GOLDEN_ROWS, len(names)))
    session = onnxruntime.InferenceSession(str(HERE / "model" / "model.onnx"), providers=["CPUExecutionProvider"])
    (found,) = session.run(["probabilities"], {"numeric": values.astype(np.float32)})
    columns = {name: pa.array(values[:, place]) for place, name in enumerate(names)}
    yes = found[:, 1].astype(np.float64)
    columns["@expected"] = pa.array(np.where(yes >= 0.5, "yes", "no").tolist(), pa.string())
    columns["@expected_probability"] = pa.array(yes)
    return pa.table(columns)
