"""Trees grown on two workers of a cluster are those of one process, to the bit. Nightly: 10 s."""

from collections.abc import Iterator

import pytest

from app.domain.feature_catalogue import FEATURE
from app.scoring.training_dask import FitOnWorkers, on_workers
from app.scoring.training_matrix import order_places
from app.scoring.training_run import Trained, train
from app.scoring.training_trees import SHAPES, Fit, Grower, Shape, text_of
from tests.scoring.payers import ledger, payers
from tests.scoring.test_training import quiet, wish

pytestmark = [
    pytest.mark.nightly,
    # told of every fit, as the estimator always has this parameter
    pytest.mark.filterwarnings("ignore:Parameter n_jobs will be ignored"),
]


@pytest.fixture(scope="module")
def workers() -> Iterator[FitOnWorkers]:
    with on_workers("local:2") as fits:
        yield fits


@pytest.fixture(scope="module")
def here() -> Trained:
    return train(ledger(payers()), wish(), quiet)


def test_the_model_is_the_same_to_the_bit(workers: FitOnWorkers, here: Trained) -> None:
    there = train(ledger(payers()), wish(), quiet, workers)
    assert there.model.text == here.model.text
    assert there.model.calibration == here.model.calibration
    assert (there.model.shape, there.model.trees) == (here.model.shape, here.model.trees)
    for one, other in zip(there.model.checks, here.model.checks, strict=True):
        assert one.log_odds.tolist() == other.log_odds.tolist()


@pytest.mark.parametrize("shape", SHAPES, ids=[shape.name for shape in SHAPES])
def test_every_shape_grows_the_same_trees(
    workers: FitOnWorkers, here: Trained, shape: Shape
) -> None:
    learn = here.learn.keep(here.names)
    ways = tuple(FEATURE[name].monotone for name in learn.names)
    alone = Grower(ways, tuple(order_places(learn.names)), 7)
    spread = Grower(ways, tuple(order_places(learn.names)), 7, workers)
    one, other = (grower.grow(learn, shape, 12) for grower in (alone, spread))
    assert text_of(one) == text_of(other)
    assert "machines" not in text_of(other)


def test_fits_come_in_order_and_no_faster_than_they_are_asked_for(
    workers: FitOnWorkers, here: Trained
) -> None:
    learn = here.learn.keep(here.names)
    settings = {"objective": "binary", "deterministic": True, "verbosity": -1, "num_threads": 1}
    made: list[int] = []

    def fits() -> Iterator[Fit]:
        for rounds in range(1, 7):
            made.append(rounds)
            yield Fit(settings, learn.names, learn.values, learn.labels, None, rounds)

    grown = workers(fits())
    assert next(grown).num_trees() == 1
    assert len(made) <= 4  # two workers, one that waits, one in place of the first
    assert [one.num_trees() for one in grown] == [2, 3, 4, 5, 6]
