"""What a decision rests on and what was answered, in a tenth of the room.

Both are JSON that differs little from one decision to the next, so they are deflated together
against a dictionary that holds what all of them have. A dictionary never changes and is never
removed: the first byte of what is stored names it (0: nothing is deflated).
"""

import zlib
from importlib import resources
from typing import Final

_PLAIN: Final = b"\x00"
_FIRST: Final = b"\x01"
_DICTIONARY: Final = resources.files("app.store").joinpath("packing_1.txt").read_bytes()
_WINDOW: Final = -12
"""A window of 4 KiB without a header; a decision and the dictionary fit into it."""

_DEFLATE: Final = zlib.compressobj(
    level=3, wbits=_WINDOW, memLevel=4, strategy=zlib.Z_DEFAULT_STRATEGY, zdict=_DICTIONARY
)
"""Copied for each decision: a copy costs less than to read the dictionary again."""

_SPLIT: Final = b"\n"
"""Between both parts: JSON as it is rendered here never holds a line feed."""


def pack(inputs: bytes, answer: bytes) -> bytes:
    """Put inputs and answer, each one line of JSON, into one value."""
    deflating = _DEFLATE.copy()
    return _FIRST + deflating.compress(inputs + _SPLIT + answer) + deflating.flush()


def unpack(packed: bytes) -> tuple[bytes, bytes]:
    """Give back inputs and answer, byte for byte.

    Raises:
        ValueError: It names a dictionary that this program does not have.
        zlib.error: It is damaged.

    """
    kind, data = packed[:1], packed[1:]
    if kind == _FIRST:
        data = zlib.decompressobj(wbits=_WINDOW, zdict=_DICTIONARY).decompress(data)
    elif kind != _PLAIN:
        message = f"a decision is packed with dictionary {kind[0]}, which is not known here"
        raise ValueError(message)
    inputs, _, answer = data.partition(_SPLIT)
    return inputs, answer
