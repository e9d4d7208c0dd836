"""Which servers the program runs on."""

import pytest

from app.domain.errors import SchemaOldError
from app.store.revision import refuse_old_server


@pytest.mark.parametrize(
    "version",
    [pytest.param((15, 0), id="the-oldest"), pytest.param((18, 4), id="newer")],
)
def test_a_server_that_is_new_enough(version: tuple[int, ...]) -> None:
    refuse_old_server(version)


@pytest.mark.parametrize(
    ("version", "told"),
    [pytest.param((14, 19), "14.19", id="one-too-old"), pytest.param((), "unknown", id="unknown")],
)
def test_an_old_server_is_refused_by_name(version: tuple[int, ...], told: str) -> None:
    with pytest.raises(SchemaOldError, match=rf"{told}.* needs 15 or later"):
        refuse_old_server(version)
