"""What a decision rests on and what was answered, in a tenth of the room.

Both are JSON that differs little from one decision to the next, so they are packed together by
zstd against a dictionary that was trained on decisions (`bench/dictionary.py`). A dictionary never
changes and is never removed: the first byte of what is stored names it (0: nothing is packed,
1: deflated, as all were before the second one).
"""

import threading
import zlib
from importlib import resources
from typing import Final

import zstandard

from app.domain.errors import BusyError

_PLAIN: Final = b"\x00"
_DEFLATED: Final = b"\x01"
_TRAINED: Final = b"\x02"
_FILES: Final = resources.files("app.store")
_FIRST: Final = _FILES.joinpath("packing_1.txt").read_bytes()
_SECOND: Final = zstandard.ZstdCompressionDict(_FILES.joinpath("packing_2.bin").read_bytes())

_PARAMETERS: Final = zstandard.ZstdCompressionParameters.from_level(
    1, hash_log=13, chain_log=13, write_content_size=True, write_checksum=True, write_dict_id=False
)
"""The fast method with tables of 32 KB: larger ones push what else a batch works on out of the
processor's cache, and find no more in a decision."""

_MOST_BYTES: Final = 1 << 26
"""More than any decision takes; what says that it needs more is damaged."""

_WINDOW: Final = -12
"""A window of 4 KiB without a header; a decision and the first dictionary fit into it."""

_SPLIT: Final = b"\n"
"""Between both parts: JSON as it is rendered here never holds a line feed."""

_SECOND.precompute_compress(compression_params=_PARAMETERS)


class _Zstd(threading.local):
    """What packs and unpacks, for each thread its own: they work without the interpreter's lock."""

    def __init__(self) -> None:
        self.pack = zstandard.ZstdCompressor(
            dict_data=_SECOND, compression_params=_PARAMETERS
        ).compress
        self.unpack = zstandard.ZstdDecompressor(dict_data=_SECOND).decompress


_ZSTD: Final = _Zstd()


def pack(inputs: bytes, answer: bytes) -> bytes:
    """Put inputs and answer, each one line of JSON, into one value."""
    return _TRAINED + _ZSTD.pack(inputs + _SPLIT + answer)


def unpack(packed: bytes) -> tuple[bytes, bytes]:
    """Give back inputs and answer, byte for byte.

    Raises:
        BusyError: A newer program packed it, as while a release rolls out: ask that one.
        ValueError: It is damaged.

    """
    kind, data = packed[:1], packed[1:]
    if kind > _TRAINED:
        raise BusyError(f"packed with dictionary {kind[0]}, which a newer program has; try again")
    try:
        if kind == _TRAINED:
            if zstandard.frame_content_size(data) > _MOST_BYTES:
                raise ValueError("a packed decision is damaged: its size is none")
            data = _ZSTD.unpack(data, allow_extra_data=False)
        elif kind == _DEFLATED:
            data = zlib.decompressobj(wbits=_WINDOW, zdict=_FIRST).decompress(data)
    except (zstandard.ZstdError, zlib.error) as error:
        raise ValueError(f"a packed decision is damaged: {error}") from error
    inputs, split, answer = data.partition(_SPLIT)
    if not split:
        raise ValueError("a packed decision is damaged: it has one part")
    return inputs, answer
