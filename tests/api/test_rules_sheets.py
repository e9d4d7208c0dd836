"""The policy taken out as a workbook, edited, looked at, and brought back as a draft."""

import io
import struct
import zipfile
import zlib
from base64 import b64encode
from collections.abc import Callable

import httpx2
import pytest
from openpyxl import load_workbook
from openpyxl.drawing.image import Image as Picture
from PIL import Image as PictureFile

from app.sheets.rules import read_rules
from tests.api.conftest import Speak
from tests.erp import Erp, money, refused

PERIOD = {"since": "2026-06-15T00:00:00Z", "until": "2026-06-16T00:00:00Z"}


@pytest.fixture
def erp(client: httpx2.Client) -> Erp:
    erp = Erp(client)
    erp.customer("C-1", "1000.00")
    return erp


def stricter(file: bytes) -> bytes:
    """Hold whoever is not scored, and give the customers of class D no time at all."""
    book = load_workbook(io.BytesIO(file))
    sheet = book["rules"]
    columns = {cell.value: cell.column for cell in sheet[1]}
    (row,) = [cells[0].row for cells in sheet if cells[0].value == "not-scored"]
    sheet.cell(row or 1, columns["outcome"] or 1, "HOLD")
    book["terms"].append(["D", 0])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def test_a_workbook_is_looked_at_before_it_is_saved(erp: Erp) -> None:
    erp.ask("SO-1", "10.00")
    given = erp.client.get("/v1/rule-sets/1/sheet")
    assert given.status_code == 200
    assert given.headers["content-disposition"] == 'attachment; filename="rule-set-1.xlsx"'
    workbook = b64encode(stricter(given.content)).decode()

    body = {"workbook": workbook, **PERIOD}
    told = erp.client.post("/v1/rule-set-sheets/preview", json=body).json()
    changed = {"kind": "CHANGED", "rule_id": "not-scored", "columns": ["outcome"]}
    assert (told["base_version"], told["rows"], told["parts"]) == (1, [changed], ["terms"])
    (move,) = told["trial"]["moves"]
    assert (move["was"], move["now"], move["sums"]["amounts"]) == (
        "APPROVE",
        "HOLD",
        [money("10.00")],
    )
    before = erp.client.get("/v1/rule-sets").json()["items"]

    stored = erp.post("/v1/rule-set-sheets", {"workbook": workbook, "note": "as agreed"}, "k-1")
    assert stored.status_code == 201, stored.text
    draft = stored.json()
    assert (draft["status"], len(before)) == ("DRAFT", 1)
    again = erp.post("/v1/rule-set-sheets", {"workbook": workbook, "note": "as agreed"}, "k-1")
    assert again.content == stored.content
    back = erp.client.get(f"/v1/rule-sets/{draft['version']}/sheet").content
    assert read_rules(back)["terms"] == {"D": {"days": 0}}


def test_a_bad_workbook_is_refused_and_nothing_is_stored(erp: Erp) -> None:
    book = load_workbook(io.BytesIO(erp.client.get("/v1/rule-sets/1/sheet").content))
    book["rules"]["A2"] = "order-rejected"
    out = io.BytesIO()
    book.save(out)
    for file in (out.getvalue(), b"no workbook"):
        body = {"workbook": b64encode(file).decode()}
        refused(erp.post("/v1/rule-set-sheets", body), 422, "file_refused")
        answer = erp.client.post("/v1/rule-set-sheets/preview", json=body)
        refused(answer, 422, "file_refused")
    assert (
        "rules!A3"
        in erp.post("/v1/rule-set-sheets", {"workbook": b64encode(out.getvalue()).decode()}).json()[
            "detail"
        ]
    )
    for text in ("?", "÷"):
        answer = erp.post("/v1/rule-set-sheets", {"workbook": text})
        refused(answer, 422, "invalid_field", "workbook")
    half = {"workbook": "UEs=", "since": PERIOD["since"]}
    answer = erp.client.post("/v1/rule-set-sheets/preview", json=half)
    refused(answer, 422, "invalid_field", "until")
    assert len(erp.client.get("/v1/rule-sets").json()["items"]) == 1


def test_what_orders_rested_on_is_for_who_may_audit(erp: Erp, speak: Speak) -> None:
    """A policy of one's own asks for any figure of any customer, condition by condition."""
    erp.ask("SO-1", "10.00")
    sheet = erp.client.get("/v1/rule-sets/1/sheet").content
    book = {"workbook": b64encode(sheet).decode(), **PERIOD}
    for scopes, status in ((["rule:read"], 403), (["rule:read", "audit:read"], 200)):
        client = speak(*scopes).client
        for answer in (
            client.post("/v1/rule-sets/1/trial", json=PERIOD),
            client.post("/v1/rule-set-sheets/preview", json=book),
            client.get("/v1/pilot-report", params=PERIOD),
        ):
            assert answer.status_code == status, answer.text


def packed(parts: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as out:
        for name, data in parts.items():
            out.writestr(name, data)
    return file.getvalue()


def parts_of(file: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(file)) as book:
        return {name: book.read(name) for name in book.namelist()}


def word_document(_: bytes) -> bytes:
    types = b'<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>'
    return packed({"[Content_Types].xml": types, "word/document.xml": b"<document/>"})


def garbled(file: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(file)) as book:
        one = book.getinfo("xl/workbook.xml")
    start = one.header_offset + 30 + len(one.filename)
    return file[:start] + b"\xff" * one.compress_size + file[start + one.compress_size :]


def boundless_picture(file: bytes) -> bytes:
    """Claim 10^10 pixels, over which the library of pictures stops in its own way."""
    book, out, small = load_workbook(io.BytesIO(file)), io.BytesIO(), io.BytesIO()
    PictureFile.new("1", (1, 1)).save(small, "PNG")
    book["rules"].add_image(Picture(small), "A1")
    book.save(out)
    parts = parts_of(out.getvalue())
    picture = parts["xl/media/image1.png"]
    head = b"IHDR" + struct.pack(">II", 100_000, 100_000) + picture[24:29]
    parts["xl/media/image1.png"] = (
        picture[:12] + head + struct.pack(">I", zlib.crc32(head)) + picture[33:]
    )
    return packed(parts)


@pytest.mark.parametrize("change", [word_document, garbled, boundless_picture])
def test_a_file_that_ends_its_reader_is_the_senders_fault(
    erp: Erp, change: Callable[[bytes], bytes]
) -> None:
    file = change(erp.client.get("/v1/rule-sets/1/sheet").content)
    for path in ("/v1/rule-set-sheets/preview", "/v1/rule-set-sheets"):
        answer = erp.post(path, {"workbook": b64encode(file).decode()})
        refused(answer, 422, "file_refused")


def test_a_policy_that_no_workbook_holds_is_refused_by_its_cell(erp: Erp) -> None:
    policy = erp.client.get("/v1/rule-sets/1").json()["rule_set"]
    policy["rows"][0]["scope"] = {"customers": [f"{number:036d}" for number in range(1000)]}
    stored = erp.post("/v1/rule-sets", {"rule_set": policy})
    assert stored.status_code == 201, stored.text
    answer = erp.client.get(f"/v1/rule-sets/{stored.json()['version']}/sheet")
    refused(answer, 422, "file_refused")
    assert "37998 characters" in answer.json()["detail"]
