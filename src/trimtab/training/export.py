"""From a fitted estimator to the one graph that is served, and the proof that both answer alike."""

from __future__ import annotations

import re
import warnings
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from trimtab.bundle.encoder import MISSING_CODE, UNSEEN_CODE, Inputs
from trimtab.bundle.manifest import Manifest, Parity
from trimtab.bundle.predictor import CODES_INPUT, NUMERIC_INPUT, PROBABILITIES_OUTPUT, VALUE_OUTPUT, Predictor
from trimtab.core.errors import DataContractError
from trimtab.training.estimators import LOG_CEILING, Fitted
from trimtab.training.preparation import Preparation
from trimtab.training.settings import Algorithm

__all__ = ["ParityError", "check_parity", "export", "floor_thresholds", "probe_inputs"]

_OPSET = 21
_ML_OPSET = 3
_CONVERTER_OPSET = 15  # what onnxmltools' tree converters write; their operators are the same in _OPSET
_IR_VERSION = 10
_DESIGN = "design"
_TREE_OPERATORS = frozenset({"TreeEnsembleClassifier", "TreeEnsembleRegressor"})
_MAX_PROBES = 4_000
_TINY = np.float32(1e-35)
_THRESHOLD_LINE = re.compile(r"^threshold=(.+)$", re.MULTILINE)
_TREE_SIZES_LINE = re.compile(r"^tree_sizes=.*\n", re.MULTILINE)


class ParityError(DataContractError):
    """The graph answers otherwise than the estimator that it was made from."""


def export(fitted: Fitted) -> bytes:
    """Return preparation and estimator as one ONNX graph: ``numeric``, ``codes`` → ``probabilities`` or ``value``.

    Raises:
        DataContractError: the fit has not seen all classes.
    """
    problem = fitted.problem
    if problem.task.is_classification and len(fitted.present) != len(problem.classes):
        unseen = next(name for place, name in enumerate(problem.classes) if place not in fitted.present)
        raise DataContractError(
            f"target: class {unseen!r} has no row to learn from; expected all classes in the training part; change the "
            "split, or deliver more rows"
        )
    core = _convert(fitted)
    nodes, constants, inputs = _preparation_nodes(fitted.preparation)
    core_nodes, raw = _core_nodes(core, problem.task.is_classification)
    nodes += core_nodes
    constants += list(core.graph.initializer)
    if problem.task.is_classification:
        nodes.append(helper.make_node("Identity", [raw], [PROBABILITIES_OUTPUT]))
        output = helper.make_tensor_value_info(PROBABILITIES_OUTPUT, TensorProto.FLOAT, [None, len(problem.classes)])
    else:
        more_nodes, more_constants = _value_nodes(raw, problem.transform)
        nodes += more_nodes
        constants += more_constants
        output = helper.make_tensor_value_info(VALUE_OUTPUT, TensorProto.FLOAT, [None])
    graph = helper.make_graph(nodes, "model", inputs, [output], constants)
    opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid("ai.onnx.ml", _ML_OPSET)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def check_parity(fitted: Fitted, manifest: Manifest, model: bytes, probes: Inputs, tolerance: float) -> Parity:
    """Return how far the graph is from the estimator on ``probes``.

    ``tolerance`` is absolute: of probabilities, or in the target's unit.

    Raises:
        ParityError: further than ``tolerance``.
    """
    answer = Predictor(manifest, model).predict(probes)
    found = answer.labels if answer.probabilities is None else answer.probabilities
    original = fitted.answer(probes).raw
    difference = np.abs(found - original).reshape(len(probes), -1).max(axis=1)
    worst = int(difference.argmax())
    if not difference[worst] <= tolerance:
        raise ParityError(
            f"candidate {fitted.algorithm}: ONNX differs from the original by up to {difference[worst]:.3g} (probe row "
            f"{worst} of {len(probes)}), expected at most {tolerance:.3g}; choose another candidate, or raise "
            "parity_tolerance"
        )
    return Parity(rows=len(probes), max_abs_difference=float(difference[worst]), tolerance=tolerance)


def probe_inputs(manifest: Manifest, base: Inputs, model: bytes, rng: np.random.Generator) -> Inputs:
    """Return rows that try the graph where it could differ, made from the rows of ``base``.

    ``base`` as it is; each nullable column null; each category unseen; and each numeric column at the thresholds of the
    trees and at the float32 neighbours of those.
    """
    numeric, codes = [base.numeric], [base.codes]

    def add(changed_numeric: NDArray[np.float32], changed_codes: NDArray[np.int64]) -> None:
        numeric.append(changed_numeric)
        codes.append(changed_codes)

    some = base.take(rng.permutation(len(base))[:32])
    for place, feature in enumerate(manifest.numeric):
        if feature.nullable:
            add(_with(some.numeric, place, np.nan), some.codes)
    for place, feature in enumerate(manifest.categorical):
        add(some.numeric, _with(some.codes, place, UNSEEN_CODE))
        if feature.nullable:
            add(some.numeric, _with(some.codes, place, MISSING_CODE))
    everything_null = np.array([feature.nullable for feature in manifest.numeric], dtype=bool)
    add(np.where(everything_null, np.float32(np.nan), some.numeric), some.codes)
    thresholds = _thresholds(model, len(manifest.numeric))
    budget = max(1, _MAX_PROBES // (3 * max(1, len(thresholds))))
    for place, values in thresholds.items():
        chosen = rng.permutation(values)[:budget]
        around = np.concatenate([chosen, _next(chosen, -np.inf), _next(chosen, np.inf)])
        around = around[np.isfinite(around)]
        rows = base.take(rng.integers(0, len(base), len(around)))
        add(_with(rows.numeric, place, around), rows.codes)
    return Inputs(np.concatenate(numeric), np.concatenate(codes))


def floor_thresholds(model_text: str) -> str:
    """Return a LightGBM model with each threshold lowered to the largest float32 that does not exceed it.

    For float32 inputs every decision stays the same, and the thresholds survive the graph's float32 unchanged. LightGBM
    reads |x| ≤ 1e-35 as 0, a graph does not: a threshold so small is moved to that side of the tiny values on which
    LightGBM's 0 lies.

    >>> floor_thresholds("threshold=0.1 0.5")
    'threshold=0.09999999403953552 0.5'
    """

    def floored(match: re.Match[str]) -> str:
        exact = np.array(match.group(1).split(), dtype=np.float64)
        lowered = _floor(exact)
        lowered = np.where((exact >= -_TINY) & (exact < 0), np.nextafter(-_TINY, np.float32(-np.inf)), lowered)
        lowered = np.where((exact >= 0) & (exact <= _TINY), _TINY, lowered)
        return "threshold=" + " ".join(repr(float(value)) for value in lowered)

    # The sizes of the trees' texts no longer hold; LightGBM reads on without them.
    return _TREE_SIZES_LINE.sub("", _THRESHOLD_LINE.sub(floored, model_text))


def _floor(exact: NDArray[np.float64]) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):
        single = exact.astype(np.float32)
        above = single.astype(np.float64) > exact
    return np.where(above, np.nextafter(single, np.float32(-np.inf)), single)


def _next(values: NDArray[np.float32], towards: float) -> NDArray[np.float32]:
    with np.errstate(over="ignore", under="ignore"):
        return np.nextafter(values, np.float32(towards))


def _with(matrix: NDArray[Any], place: int, value: Any) -> NDArray[Any]:
    changed = matrix.copy()
    changed[:, place] = value
    return changed


def _convert(fitted: Fitted) -> Any:
    """Return the estimator alone, ``design`` (n, D) → probabilities (n, K) or (n, 1), by its library's converter."""
    # Imported where used: only the winner is exported.
    width = fitted.preparation.width
    with warnings.catch_warnings():
        # The converters warn of their own deprecated imports, which the caller cannot change.
        warnings.simplefilter("ignore")
        if fitted.algorithm in {Algorithm.XGBOOST, Algorithm.LIGHTGBM}:
            from onnxmltools.convert import convert_lightgbm, convert_xgboost
            from onnxmltools.convert.common.data_types import FloatTensorType

            types = [(_DESIGN, FloatTensorType([None, width]))]
            if fitted.algorithm is Algorithm.XGBOOST:
                return convert_xgboost(fitted.estimator, initial_types=types, target_opset=_CONVERTER_OPSET)
            from lightgbm import Booster

            text = floor_thresholds(fitted.estimator.booster_.model_to_string())
            return convert_lightgbm(
                Booster(model_str=text), initial_types=types, target_opset=_CONVERTER_OPSET, zipmap=False
            )
        from skl2onnx import convert_sklearn
        from skl2onnx.common.data_types import FloatTensorType as SklearnFloats

        # skl2onnx lowers the thresholds of its trees to float32 itself.
        return convert_sklearn(
            fitted.estimator,
            initial_types=[(_DESIGN, SklearnFloats([None, width]))],
            options={id(fitted.estimator): {"zipmap": False}} if fitted.problem.task.is_classification else None,
            target_opset={"": _OPSET, "ai.onnx.ml": _ML_OPSET},
        )


def _preparation_nodes(preparation: Preparation) -> tuple[list[Any], list[Any], list[Any]]:
    """Return nodes from the two inputs to ``design``, their constants, and the inputs that they use."""
    nodes: list[Any] = []
    constants: dict[str, NDArray[Any]] = {}
    inputs: list[Any] = []
    parts: list[str] = []
    if preparation.numeric_width:
        inputs.append(
            helper.make_tensor_value_info(NUMERIC_INPUT, TensorProto.FLOAT, [None, preparation.numeric_width])
        )
        constants["prep_fill"] = preparation.fill
        nodes.append(helper.make_node("IsNaN", [NUMERIC_INPUT], ["prep_missing"]))
        nodes.append(helper.make_node("Where", ["prep_missing", "prep_fill", NUMERIC_INPUT], ["prep_filled"]))
        parts.append("prep_filled")
        if preparation.centre is not None and preparation.factor is not None:
            constants |= {"prep_centre": preparation.centre, "prep_factor": preparation.factor}
            nodes.append(helper.make_node("Sub", ["prep_filled", "prep_centre"], ["prep_centred"]))
            nodes.append(helper.make_node("Mul", ["prep_centred", "prep_factor"], ["prep_scaled"]))
            parts = ["prep_scaled"]
    if len(preparation.one_hot_code):
        columns = int(preparation.category_width)
        inputs.append(helper.make_tensor_value_info(CODES_INPUT, TensorProto.INT64, [None, columns]))
        constants |= {"prep_column": preparation.one_hot_column, "prep_code": preparation.one_hot_code}
        nodes.append(helper.make_node("Gather", [CODES_INPUT, "prep_column"], ["prep_spread"], axis=1))
        nodes.append(helper.make_node("Equal", ["prep_spread", "prep_code"], ["prep_equal"]))
        nodes.append(helper.make_node("Cast", ["prep_equal"], ["prep_one_hot"], to=TensorProto.FLOAT))
        parts.append("prep_one_hot")
    nodes.append(helper.make_node("Concat", parts, [_DESIGN], axis=1))
    return nodes, [numpy_helper.from_array(value, name) for name, value in constants.items()], inputs


def _core_nodes(core: Any, classify: bool) -> tuple[list[Any], str]:
    """Return the converter's nodes that lead to the probabilities (or the value), and that output's name."""
    names = [output.name for output in core.graph.output]
    wanted = "probabilities" if classify else names[0]
    if classify and wanted not in names:
        raise DataContractError(
            f"export: the converter gives {names}, expected 'probabilities'; choose another candidate"
        )
    needed, kept = {wanted}, []
    for node in reversed(core.graph.node):
        if needed & set(node.output):
            kept.append(node)
            needed |= set(node.input)
    raw = f"core_{wanted}"
    for node in kept:
        for place, name in enumerate(node.output):
            if name == wanted:
                node.output[place] = raw
        for place, name in enumerate(node.input):
            if name == wanted:
                node.input[place] = raw
    return kept[::-1], raw


def _value_nodes(raw: str, transform: str) -> tuple[list[Any], list[Any]]:
    """Return nodes from a converter's (n, 1) to ``value`` (n,), undoing the target's transform."""
    flat = "flat" if transform == "log1p" else VALUE_OUTPUT
    constants: dict[str, NDArray[Any]] = {"post_shape": np.array([-1], dtype=np.int64)}
    nodes = [helper.make_node("Reshape", [raw, "post_shape"], [flat])]
    if transform == "log1p":
        constants |= {
            "post_ceiling": np.array(LOG_CEILING, dtype=np.float32),
            "post_one": np.array(1, dtype=np.float32),
        }
        nodes += [
            helper.make_node("Min", [flat, "post_ceiling"], ["post_bounded"]),
            helper.make_node("Exp", ["post_bounded"], ["post_exp"]),
            helper.make_node("Sub", ["post_exp", "post_one"], [VALUE_OUTPUT]),
        ]
    return nodes, [numpy_helper.from_array(value, name) for name, value in constants.items()]


def _thresholds(model: bytes, numeric_width: int) -> dict[int, NDArray[np.float32]]:
    """Return the thresholds of each numeric column, as the graph holds them; none for a graph without trees."""
    found: dict[int, NDArray[np.float32]] = {}
    for node in onnx.load_from_string(model).graph.node:
        if node.op_type not in _TREE_OPERATORS:
            continue
        attributes = {attribute.name: attribute for attribute in node.attribute}
        columns = np.array(attributes["nodes_featureids"].ints)
        values = np.array(attributes["nodes_values"].floats, dtype=np.float32)
        branches = np.array([mode != b"LEAF" for mode in attributes["nodes_modes"].strings])
        for place in range(numeric_width):
            chosen = values[(columns == place) & branches]
            if len(chosen):
                found[place] = np.unique(chosen)
    return found
