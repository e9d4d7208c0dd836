"""What a command that scores many customers does to its process, and undoes."""

import gc

from app.cli.rating import seldom_collecting


def test_garbage_is_looked_for_seldom_within_and_as_before_after() -> None:
    before, frozen = gc.get_threshold(), gc.get_freeze_count()
    with seldom_collecting():
        assert gc.get_threshold()[0] > 100 * before[0]
        assert gc.get_freeze_count() > frozen
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0
