"""What a request is kept as."""

import tracemalloc

import pytest

from app.usecases.asks import to_json


@pytest.mark.parametrize("length", [10, 1_300, 5_000])
def test_json_that_is_kept_takes_the_memory_of_its_length(length: int) -> None:
    told = {"said": "x" * length}
    tracemalloc.start()
    try:
        kept = [to_json(told) for _ in range(200)]
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept[0] == b'{"said":"%b"}' % (b"x" * length)
    assert held < 200 * (len(kept[0]) + 100)
