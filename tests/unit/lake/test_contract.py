from __future__ import annotations

import time

import numpy as np
import pyarrow as pa
import pytest
from tests.unit.lake.heart import CONTRACT, csv_of, good_rows

from trimtab.config.columns import ContractConfig
from trimtab.core.errors import DataContractError
from trimtab.lake.contract import check_row_count, judge, warm_up


def table_of(rows: list[str]) -> pa.Table:
    names, *values = (line.split(",") for line in csv_of(rows).splitlines())
    return pa.table(dict(zip(names, map(list, zip(*values, strict=True)), strict=True)))


def test_passed_rows_are_typed_as_the_contract_says() -> None:
    contract = ContractConfig.model_validate(
        {
            "columns": {
                "number": {"type": "number", "nullable": True},
                "whole": {"type": "integer"},
                "yes": {"type": "boolean"},
                "kind": {"type": "category"},
                "words": {"type": "text"},
                "at": {"type": "datetime"},
            }
        }
    )
    table = pa.table(
        {
            "number": [" 1e3", ""],
            "whole": ["+7", "8.0"],
            "yes": ["TRUE", "0"],
            "kind": [" a ", "b"],
            "words": [" as it is ", "x"],
            "at": ["2030-01-01", "2030-01-01T02:00:00+02:00"],
        }
    )

    passed = judge(table, contract).passed

    assert [str(field.type) for field in passed.schema] == [
        "double",
        "int64",
        "bool",
        "string",
        "string",
        "timestamp[us, tz=UTC]",
    ]
    assert passed.drop_columns(["at"]).to_pylist() == [
        {"number": 1000.0, "whole": 7, "yes": True, "kind": "a", "words": " as it is "},
        {"number": None, "whole": 8, "yes": False, "kind": "b", "words": "x"},
    ]
    assert passed["at"].cast(pa.int64()).to_pylist() == [1_893_456_000_000_000] * 2


def test_a_row_may_break_several_rules_and_each_is_named() -> None:
    judgement = judge(table_of(["1,-3,other,9999,normal,"]), CONTRACT)

    assert judgement.broken["@reasons"].to_pylist() == [
        [
            "age: -3 is below 0",
            "sex: 'other' is none of male, female",
            "chol: 9999 is above 700",
            "disease: is missing",
        ]
    ]


def test_a_typed_table_is_judged_as_its_text_would_be() -> None:
    texts = table_of([*good_rows(4), "9,50.5,male,200,normal,1", "10,50,male,,normal,1"])
    ages = pa.array([31.0, 32.0, 33.0, 34.0, 50.5, 50.0])
    chols = pa.array([181.0, 182.0, 183.0, 184.0, 200.0, float("nan")])
    typed = texts.set_column(1, "age", ages).set_column(3, "chol", chols)

    assert judge(typed, CONTRACT).broken["@reasons"].to_pylist() == [
        ["age: '50.5' is not a whole number"],
        ["chol: is missing"],
    ]
    assert judge(typed, CONTRACT).broken.drop_columns(["chol"]) == judge(texts, CONTRACT).broken.drop_columns(["chol"])


def test_the_first_whole_row_of_a_key_passes() -> None:
    table = table_of(["1,240,male,200,normal,1", "1,50,male,200,normal,1", "1,51,male,200,normal,1"])

    judgement = judge(table, CONTRACT)

    assert judgement.passed["age"].to_pylist() == [50]
    assert judgement.broken["@reasons"].to_pylist() == [
        ["age: 240 is above 120"],
        ["patient_id: '1' repeats row 2"],
    ]


def test_a_compound_key_repeats_only_as_a_whole() -> None:
    contract = ContractConfig.model_validate(
        {"columns": {"zone": {"type": "text"}, "hour": {"type": "integer"}}, "unique": ["zone", "hour"]}
    )
    table = pa.table({"zone": ["a", "a", "b", "a"], "hour": ["1", "2", "1", "1"]})

    judgement = judge(table, contract)

    assert judgement.broken["@reasons"].to_pylist() == [["zone + hour: 'a, 1' repeats row 1"]]


def test_columns_that_are_not_required_may_be_absent() -> None:
    table = table_of(good_rows(3)).drop_columns(["disease", "patient_id"])

    assert judge(table, CONTRACT, required=("age",)).passed.num_rows == 3
    with pytest.raises(DataContractError, match="column 'age': missing; the delivery has sex, chol, thal"):
        judge(table.drop_columns(["age"]), CONTRACT, required=("age",))


def test_an_undeclared_column_is_refused_or_dropped() -> None:
    table = table_of(good_rows(2)).append_column("extra", pa.array(["x", "y"]))

    with pytest.raises(DataContractError, match="column 'extra': not in the contract, which knows patient_id, age"):
        judge(table, CONTRACT)
    tolerant = CONTRACT.model_copy(update={"allow_extra_columns": True})
    assert "extra" not in judge(table, tolerant).passed.column_names


def test_a_column_of_nothing_but_nulls_is_missing_everywhere() -> None:
    table = table_of(good_rows(2)).set_column(3, "chol", pa.nulls(2))

    assert judge(table, CONTRACT).reasons == {"chol: missing": 2}


def test_no_rows_give_empty_tables_of_the_right_types() -> None:
    judgement = judge(table_of(good_rows(1)).slice(0, 0), CONTRACT)

    assert judgement.passed.schema.field("age").type == pa.int64()
    assert judgement.broken.num_rows == 0


def test_a_delivery_of_the_wrong_size_is_refused() -> None:
    contract = CONTRACT.model_validate({**CONTRACT.model_dump(), "row_count": {"min": 10, "max": 20}})

    check_row_count(10, contract)
    with pytest.raises(DataContractError, match="9 rows; the contract expects 10 to 20"):
        check_row_count(9, contract)


def test_of_many_columns_alike_only_those_that_break_a_rule_are_named() -> None:
    names = [f"n{place}" for place in range(70)]
    ranges = [{"min": 0, "max": 9}, {"min": 0, "max": 9}, {"min": 0, "max": 99}]
    declared = {name: {"type": "number"} | ranges[place % 3] for place, name in enumerate(names)}
    words = {"w0": {"type": "category", "values": ["a", "b"]}, "w1": {"type": "category", "values": ["b", "c"]}}
    contract = ContractConfig.model_validate({"columns": declared | words})
    columns = {name: ["1", "2", "3", "4"] for name in names} | {"w0": list("abab"), "w1": list("bbcb")}
    columns["n0"][1] = "50"
    columns["n2"][1] = "50"
    columns["n66"][2] = "much"
    columns["n69"][2] = ""
    columns["w0"][3] = "c"

    judgement = judge(pa.table(columns), contract)

    assert judgement.broken["@row"].to_pylist() == [2, 3, 4]
    assert [len(rules) for rules in judgement.rules] == [1, 2, 1]
    named = [[rule.partition(":")[0] for rule in rules] for rules in judgement.rules]
    assert named == [["n0"], ["n66", "n69"], ["w0"]]
    assert judgement.passed.num_rows == 1


def test_what_was_sound_before_hides_nothing_that_is_not() -> None:
    limits = {"x": {"type": "number", "min": 0, "max": 9}, "kind": {"type": "category", "values": ["a", "b"]}}
    contract = ContractConfig.model_validate({"columns": limits})
    narrow = ContractConfig.model_validate({"columns": {**limits, "x": {"type": "number", "min": 0, "max": 5}}})
    sound = pa.table({"x": ["0.5", "8"], "kind": ["a", "b"]})
    news = pa.table({"x": ["3", "9.5", "-1", "nan"], "kind": ["a", "c", "", "b"]})
    first = judge(news, contract)
    for _ in range(2):
        assert judge(sound, contract).rules == ()
        assert judge(news, contract).rules == first.rules
    assert first.rules[0] == ("x: above 9", "kind: not an allowed value")
    assert judge(sound, narrow).rules == (("x: above 5",),)


def test_ten_thousand_rows_of_fifteen_columns_are_judged_fast_enough() -> None:
    rng = np.random.default_rng(5)
    rows = 10_000
    numbers = {f"n{place}": rng.normal(size=rows).astype(str) for place in range(10)}
    words = {f"c{place}": rng.choice(["a", "b"], rows) for place in range(4)}
    declared = {name: {"type": "number", "min": -3, "max": 3} for name in numbers}
    declared |= {name: {"type": "category", "values": ["a", "b"]} for name in words}
    contract = ContractConfig.model_validate({"columns": {"id": {"type": "integer"}, **declared}, "unique": ["id"]})
    table = pa.table({"id": [str(number) for number in range(rows)], **numbers, **words})
    warm_up()

    began = time.process_time()
    judgement = judge(table, contract)
    seconds = time.process_time() - began

    outside = sum(int((np.abs(values.astype(float)) > 3).sum()) for values in numbers.values())
    assert sum(judgement.reasons.values()) == outside
    # 0.5 s of CPU; row by row it is many times as much.
    assert seconds < 4
