import pytest

from trimtab.config.loading import parse_yaml
from trimtab.core.errors import ConfigError
from trimtab.training.settings import Algorithm, Choices, Range, TimeSplit, TrainingConfig


def parsed(text: str) -> TrainingConfig:
    return parse_yaml(text.encode(), TrainingConfig, source="training_config.yaml")


def test_candidates_alone_are_enough() -> None:
    config = parsed("candidates: [{type: xgboost}, {type: logistic_regression}]")
    assert config.cross_validation is not None
    assert config.cross_validation.folds_for(1_000) == 3
    assert not config.split.refit
    assert set(config.candidates[1].full_space) == {"C"}


def test_everything_can_be_said() -> None:
    config = parsed(
        """
        split: {type: time, test_share: 0.3}
        cross_validation: null
        candidates:
          - type: lightgbm
            trials: 3
            space:
              num_leaves: {low: 7, high: 15}
              objective: {choices: [mape]}
        gates: {mape: {max: 0.6}}
        trial_timeout: 30s
        """
    )
    assert isinstance(config.split, TimeSplit)
    assert config.split.refit
    assert config.cross_validation is None
    space = config.candidates[0].full_space
    assert space["num_leaves"] == Range(low=7, high=15)
    assert space["objective"] == Choices(choices=("mape",))
    assert "learning_rate" in space


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("candidates: []", "candidates"),
        ("candidates: [{type: svm}]", "svm"),
        ("candidates: [{type: ridge}, {type: ridge}]", "name each type once"),
        ("candidates: [{type: ridge, space: {alfa: {low: 1, high: 2}}}]", "no parameter 'alfa'; expected one of alpha"),
        ("candidates: [{type: ridge, space: {alpha: {low: 3, high: 2}}}]", "low 3 lies above high 2"),
        ("candidates: [{type: ridge, space: {alpha: {low: 0, high: 2, log: true}}}]", "log needs low above 0"),
        ("candidates: [{type: ridge}]\ngates: {mape: {min: 1, max: 2}}", "either min or max"),
        ("candidates: [{type: ridge}]\nsplit: {type: tiem}", "tiem"),
        ("candidates: [{type: ridge}]\ntrails: 3", "did you mean 'trials'"),
        ("candidates: [{type: ridge}]\nsplit: {test_share: 0.95, type: time}", "test_share"),
    ],
)
def test_mistakes_are_explained(text: str, words: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parsed(text)
    assert words in str(refused.value)


def test_whole_bounds_draw_whole_numbers() -> None:
    assert Range(low=1, high=5).is_whole
    assert not Range(low=1.0, high=5).is_whole


def test_every_algorithm_has_a_space() -> None:
    for algorithm in Algorithm:
        config = parsed(f"candidates: [{{type: {algorithm}}}]")
        assert config.candidates[0].full_space
