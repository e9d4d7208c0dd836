"""A ledger file that speaks against what is held: nothing is paid twice, nothing goes unsaid."""

import csv
import io
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from tests.cli.conftest import Commands
from tests.erp import Erp, money

HEADER = "customer_id,invoice_id,issue_date,due_date,amount,currency,paid_date,disputed,version"
OPEN, PAID = "", "2026-02-10"
CHEQUE = {"note_id": "N-1", "kind": "BANK", "due_date": "2026-05-01"}


@dataclass
class Desk:
    """An invoice I-1 of C-1 over 100, told by a file; an ERP tells other documents."""

    erp: Erp
    aval: Commands
    folder: Path
    events: int = 0

    def file(self, paid: str, disputed: str = "", version: int = 1) -> list[dict[str, str]]:
        """Import the invoice, and give what was rejected."""
        file = self.folder / "l.csv"
        row = f"C-1,I-1,2026-01-10,2026-02-09,100.00,CNY,{paid},{disputed},{version}"
        file.write_text(f"{HEADER}\n{row}\n")
        ran = self.aval("import", "ledger", str(file), "--source", "file")
        rejects = file.with_name("l.csv.rejects.csv")
        if ran.code == 0:
            return []
        found = list(csv.DictReader(io.StringIO(rejects.read_text(encoding="utf-8-sig"))))
        assert len(found) == 1, found
        return found

    def tell(self, kind: str, version: int = 1, **fields: object) -> None:
        """Report an event of the ERP."""
        self.events += 1
        event = {
            "type": kind,
            "event_id": f"E-{self.events}",
            "source": "erp",
            "customer_id": "C-1",
            "segment": "main",
            "version": version,
            "occurred_at": "2026-02-10T00:00:00Z",
            **fields,
        }
        answer = self.erp.post("/v1/ledger-events", {"events": [event]})
        assert answer.json()["results"][0]["result"] == "applied", answer.text

    def pay(
        self, amount: str, payment_id: str = "PAY-77", version: int = 1, **more: object
    ) -> None:
        """Report a payment for the invoice; of amount 0: it was taken back."""
        fields: dict[str, object] = {"amount": money(amount), "paid_date": PAID, **more}
        if float(amount):
            fields["allocations"] = [{"invoice_id": "I-1", "amount": money(amount)}]
        self.tell("payment", version, payment_id=payment_id, **fields)

    def exposure(self) -> str:
        told: str = self.erp.account()["exposure"]["amount"]
        return told


@pytest.fixture
def desk(client: httpx2.Client, run_aval: Commands, tmp_path: Path) -> Desk:
    erp = Erp(client)
    erp.customer("C-1", "1000.00")
    return Desk(erp, run_aval, tmp_path)


def reason(found: list[dict[str, str]], field: str) -> str:
    (row,) = found
    assert row["reject_field"] == field
    return row["reject_reason"]


def test_what_the_erp_was_paid_is_not_paid_once_more(desk: Desk) -> None:
    assert desk.file(OPEN) == []
    desk.pay("60.00")
    assert "already settled by payment PAY-77" in reason(desk.file(PAID), "paid_date")
    assert desk.exposure() == "40.00"
    desk.pay("0", version=2)
    assert desk.file(PAID) == []
    assert desk.exposure() == "0.00"
    assert desk.file(PAID) == []


def test_a_credit_note_counts_as_one_who_paid(desk: Desk) -> None:
    desk.tell("credit_note", credit_note_id="CN-1", amount=money("30.00"), invoice_id="I-1")
    assert "already settled by credit note CN-1" in reason(desk.file(PAID), "paid_date")
    assert desk.exposure() == "70.00"


def test_money_that_does_not_settle_stands_in_nobodys_way(desk: Desk) -> None:
    """It may come yet, or its bill bounced."""
    desk.pay("60.00", status="PROVISIONAL", expires_at="2099-01-01T00:00:00Z")
    desk.pay("50.00", "PAY-78", note=CHEQUE)
    desk.tell("note", note_id="N-1", status="DISHONOURED")
    assert desk.file(PAID) == []


def test_what_is_paid_here_cannot_be_open_again_by_a_file(desk: Desk) -> None:
    assert desk.file(PAID) == []
    told = reason(desk.file(OPEN), "paid_date")
    assert "is paid here by 'paid:I-1'" in told
    assert "version, 2 or more, with amount 0" in told
    desk.pay("0", "paid:I-1", version=2)
    assert desk.file(OPEN) == []
    assert desk.exposure() == "100.00"
    assert "was taken back here by version 2" in reason(desk.file(PAID), "version")
    assert desk.file(PAID, version=3) == []
    assert desk.exposure() == "0.00"


def test_an_older_version_is_said_to_be_old(desk: Desk) -> None:
    assert desk.file(OPEN, version=4) == []
    told = reason(desk.file(OPEN, version=3), "version")
    assert told == "invoice: a newer version than 3 is known; raise it to change that"


def test_a_dispute_is_withdrawn_by_a_higher_version_only(desk: Desk) -> None:
    assert desk.file(OPEN, "true") == []
    told = reason(desk.file(PAID, "false"), "disputed")
    assert "raise the row's version" in told
    assert desk.exposure() == "0.00"
    assert desk.file(PAID, "false", version=2) == []
    assert desk.file(PAID, "false", version=2) == []
