"""From a fitted estimator to the one graph that is served, and the proof that both answer alike."""

from __future__ import annotations

import re
import warnings
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from trimtab.bundle.encoder import Inputs
from trimtab.bundle.manifest import Manifest, Parity
from trimtab.bundle.predictor import CODES_INPUT, NUMERIC_INPUT, PROBABILITIES_OUTPUT, VALUE_OUTPUT, Predictor
from trimtab.core.errors import DataContractError
from trimtab.training.calendar_parts import GraphNumbers
from trimtab.training.calibration import calibration_nodes
from trimtab.training.estimators import LOG_CEILING, Fitted
from trimtab.training.preparation import SHORTEST, Preparation, TermBlock
from trimtab.training.settings import Algorithm

__all__ = ["ParityError", "check_parity", "export", "floor_thresholds"]

_OPSET = 21
_ML_OPSET = 3
_CONVERTER_OPSET = 15  # what onnxmltools' tree converters write; their operators are the same in _OPSET
_IR_VERSION = 10
_DESIGN = "design"
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
        more_nodes, more_constants = calibration_nodes(
            fitted.calibration, problem.positive_place, raw, PROBABILITIES_OUTPUT
        )
        nodes += more_nodes
        constants += more_constants
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
    graph = GraphNumbers("prep")
    inputs: list[Any] = []
    floats: list[str] = []
    if preparation.numeric_width:
        shape = [None, preparation.numeric_width]
        inputs.append(helper.make_tensor_value_info(NUMERIC_INPUT, TensorProto.FLOAT, shape))
        floats += _numeric_parts(graph, preparation)
    if preparation.calendar or len(preparation.one_hot_code):
        inputs.append(helper.make_tensor_value_info(CODES_INPUT, TensorProto.INT64, [None, preparation.codes_width]))
    if preparation.calendar:
        floats.append(graph.columns(CODES_INPUT, preparation.calendar))
    parts: list[str] = []
    if floats:
        joined = floats[0] if len(floats) == 1 else graph.node("Concat", floats, axis=1)
        parts.append(_filled_and_scaled(graph, preparation, joined))
    if len(preparation.one_hot_code):
        spread = graph.node("Gather", [CODES_INPUT, graph.constant(preparation.one_hot_column)], axis=1)
        equal = graph.node("Equal", [spread, graph.constant(preparation.one_hot_code)])
        parts.append(graph.node("Cast", [equal], to=TensorProto.FLOAT))
    graph.nodes.append(helper.make_node("Concat", parts, [_DESIGN], axis=1))
    return graph.nodes, [numpy_helper.from_array(value, name) for name, value in graph.constants.items()], inputs


def _numeric_parts(graph: GraphNumbers, preparation: Preparation) -> list[str]:
    """Return the names of what the numeric matrix is made of: the numbers, and the weights of each text's terms."""
    if not preparation.texts:
        return [NUMERIC_INPUT]
    plain = np.arange(preparation.texts[0].start, dtype=np.int64)
    numbers = [graph.node("Gather", [NUMERIC_INPUT, graph.constant(plain)], axis=1)] if len(plain) else []
    return [*numbers, *(part for text in preparation.texts for part in _weighed(graph, text))]


def _weighed(graph: GraphNumbers, text: TermBlock) -> list[str]:
    """Return the names of a text's number of words and of its terms' weights, as `TermBlock.weigh` makes them."""
    one = graph.constant(np.array(1, dtype=np.float32))

    def logarithm(columns: NDArray[np.int64]) -> str:
        counts = graph.node("Gather", [NUMERIC_INPUT, graph.constant(columns)], axis=1)
        return graph.node("Log", [graph.node("Add", [counts, one])])

    words = logarithm(np.array([text.start], dtype=np.int64))
    if not len(text.idf):
        return [words]
    terms = logarithm(np.arange(text.terms.start, text.terms.stop, dtype=np.int64))
    weights = graph.node("Mul", [terms, graph.constant(text.idf)])
    axis = graph.constant(np.array([1], dtype=np.int64))
    length = graph.node("Sqrt", [graph.node("ReduceSumSquare", [weights, axis], keepdims=1)])
    bounded = graph.node("Max", [length, graph.constant(np.array(SHORTEST, dtype=np.float32))])
    return [words, graph.node("Div", [weights, bounded])]


def _filled_and_scaled(graph: GraphNumbers, preparation: Preparation, floats: str) -> str:
    missing = graph.node("IsNaN", [floats])
    filled = graph.node("Where", [missing, graph.constant(preparation.fill), floats])
    if preparation.centre is None or preparation.factor is None:
        return filled
    centred = graph.node("Sub", [filled, graph.constant(preparation.centre)])
    return graph.node("Mul", [centred, graph.constant(preparation.factor)])


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
