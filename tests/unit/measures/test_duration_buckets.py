from __future__ import annotations

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from trimtab.measures.duration_buckets import bucket_of, buckets_of

LONGEST = 2**63 - 1


@given(st.lists(st.integers(-5, LONGEST), min_size=1, max_size=50))
@example([0, 1, 15, 16, 17, 2**53 - 1, 2**53, 2**54 - 1, LONGEST])
def test_many_durations_at_once_stand_where_each_stands_alone(durations_ns: list[int]) -> None:
    assert buckets_of(np.array(durations_ns, dtype=np.int64)).tolist() == [bucket_of(one) for one in durations_ns]
