"""What `trimtab init` writes for a stream, from the rows that are there when it is asked: the rule that is played."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pyarrow as pa
import yaml
from bench.triggers.streams import Stream

from trimtab.config.model import ModelConfig
from trimtab.loop.starter.contract_file import model_file
from trimtab.loop.starter.operation_files import retrain_file
from trimtab.loop.starter.proposal import propose
from trimtab.loop.starter.training_file import training_file
from trimtab.loop.starter.wishes import Wishes
from trimtab.retraining.gain import Costs
from trimtab.retraining.settings import RetrainConfig

__all__ = ["Written", "written"]

_MICRO = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Written:
    """The retraining conditions and costs of the files; ``lookback`` as in ``training_config.yaml``."""

    retrain: RetrainConfig
    costs: Costs
    lookback: str | None


def written(stream: Stream) -> Written:
    """Return what init writes when it is given the stream's first window of rows; the period is the stream's chunk."""
    rows = stream.rows(0, stream.window)
    features = stream.features[rows]
    moments = stream.days()[rows] * 86_400e6 + stream.moment(0)
    target = stream.target[rows]
    columns = {f"x{place}": pa.array(features[:, place].astype(np.float64)) for place in range(features.shape[1])}
    columns["time"] = pa.array(moments.astype(np.int64)).cast(pa.timestamp("us", tz="UTC"))
    columns["outcome"] = pa.array(np.where(target > 0, "yes", "no") if stream.classes else target)
    plan = propose(pa.table(columns), Wishes("stream", "outcome", time="time"), source="stream.parquet")
    retrain = RetrainConfig.model_validate(yaml.safe_load(retrain_file(plan)))
    retrain = retrain.model_copy(update={"period": stream.period_us * _MICRO})
    costs = ModelConfig.model_validate(yaml.safe_load(model_file(plan))).costs
    lookback = yaml.safe_load(training_file(plan))["lookback"]
    return Written(retrain, Costs(costs.retrain, costs.release), lookback)
