"""`python -m app.sheets.child read|write`: a workbook on stdin to JSON on stdout, or back."""

import resource
import sys

import orjson

from app.domain.errors import FileRefusedError
from app.sheets.apart import MOST_BYTES
from app.sheets.rules import read_rules, write_rules


def convert(what: str, data: bytes) -> bytes:
    """Write the policy of a workbook, the workbook of a policy, or why it was refused."""
    try:
        if what == "write":
            return write_rules(orjson.loads(data))
        return orjson.dumps({"data": read_rules(data)})
    except FileRefusedError as refused:
        return orjson.dumps({"refused": refused.detail})


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
    sys.stdout.buffer.write(convert(sys.argv[1], sys.stdin.buffer.read()))
