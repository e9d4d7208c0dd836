"""Ids sort as they were given, and two sources never meet."""

import threading
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

from app.store.ids import IdSource

MANY = 20_000  # more than a millisecond has room for


def test_ids_sort_as_they_were_given() -> None:
    new_id = IdSource()
    given = [new_id() for _ in range(MANY)]
    assert given == sorted(set(given))


def test_an_id_is_a_uuid_of_version_7() -> None:
    new_id = IdSource()
    for text in (new_id() for _ in range(MANY)):
        one = UUID(text)
        assert (str(one), one.version, one.variant) == (text, 7, "specified in RFC 4122")


def test_two_sources_never_meet() -> None:
    one, other = IdSource(), IdSource()
    assert {one() for _ in range(MANY)}.isdisjoint(other() for _ in range(MANY))


def test_threads_never_meet() -> None:
    new_id, line = IdSource(), threading.Barrier(4)

    def draw(_: int) -> list[str]:
        line.wait()
        return [new_id() for _ in range(MANY)]

    with ThreadPoolExecutor(4) as pool:
        given = [one for drawn in pool.map(draw, range(4)) for one in drawn]
    assert len(set(given)) == 4 * MANY
