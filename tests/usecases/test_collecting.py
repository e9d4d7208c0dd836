"""Cycles are not looked for within the block, and always are after it."""

import gc

import pytest

from app.usecases.collecting import Blocks, uncollected


def test_cycles_are_looked_for_again_once_the_block_ends() -> None:
    with uncollected():
        assert not gc.isenabled()

    assert gc.isenabled()


def test_cycles_are_looked_for_again_after_a_fault_in_the_block() -> None:
    with pytest.raises(ValueError, match="odd"), uncollected():
        raise ValueError("odd")

    assert gc.isenabled()


def test_of_two_blocks_at_once_the_last_to_end_lets_cycles_be_looked_for() -> None:
    first, second = uncollected(), uncollected()
    first.__enter__()
    second.__enter__()

    first.__exit__(None, None, None)
    assert not gc.isenabled()
    second.__exit__(None, None, None)

    assert gc.isenabled()


def test_blocks_that_overlap_without_end_let_cycles_be_looked_for_between() -> None:
    blocks = Blocks(longest_s=0.0)
    blocks.enter()
    blocks.enter()

    blocks.leave()
    assert gc.isenabled()
    blocks.enter()
    assert not gc.isenabled()
    blocks.leave()
    blocks.leave()

    assert gc.isenabled()
