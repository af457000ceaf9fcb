from __future__ import annotations

from datetime import UTC, datetime

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from trimtab.core.clock import to_micros
from trimtab.lake.moments import read_moments


def _numbers(most: int, digits: int) -> st.SearchStrategy[str]:
    return st.integers(0, most).map(lambda number: f"{number:0{digits}}")


# Just beyond what there is, too: month 13, day 32, hour 25, second 61, year 0.
DAYS = st.tuples(
    st.one_of(_numbers(9999, 4), st.sampled_from(["0000", "0001", "0999", "1000", "1900", "2000", "9999"])),
    _numbers(13, 2),
    _numbers(32, 2),
).map("-".join)
CLOCKS = st.tuples(
    st.sampled_from(["", "T", " ", "t", "  "]),
    st.sampled_from([2, 3]).flatmap(
        lambda parts: st.tuples(_numbers(25, 2), _numbers(61, 2), _numbers(61, 2)).map(
            lambda found: ":".join(found[:parts])
        )
    ),
    st.sampled_from(["", "", "Z", "+02:00", ".5", ".123456", " ", "\n"]),
).map("".join)
TEXTS = st.one_of(
    DAYS,
    st.tuples(DAYS, CLOCKS).map("".join),
    st.sampled_from(["", "2020-W05-1", "20200131", "１９９９-01-01"]),
    st.none(),
)


def _as_python_reads(text: str | None) -> int | None:
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return to_micros(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


@settings(deadline=None)
@given(st.lists(TEXTS, max_size=20))
def test_iso_texts_are_read_as_python_reads_them(texts: list[str | None]) -> None:
    assert read_moments(pa.array(texts, pa.string())).to_pylist() == [_as_python_reads(text) for text in texts]


@settings(deadline=None)
@given(st.lists(TEXTS, max_size=20))
def test_what_is_not_in_the_written_form_is_still_read_as_iso(texts: list[str | None]) -> None:
    ours = [*texts, "31.12.2020"]
    read = read_moments(pa.array(ours, pa.string()), "%d.%m.%Y").to_pylist()

    assert read == [*(_as_python_reads(text) for text in texts), to_micros(datetime(2020, 12, 31, tzinfo=UTC))]
