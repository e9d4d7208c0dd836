"""The service as one writes it at first: an ORM session and a transaction a request.

Key, order, account `FOR UPDATE`, check, then the authorization with its journal entry and its
decision, commit. No token, log or metrics. It is what batching is compared with, so it is written
plainly and well: no query more than the task needs, a pool as large as the threads that use it.
"""

import hashlib
import os
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final
from uuid import UUID, uuid4

from fastapi import FastAPI, Header, HTTPException
from pydantic import BaseModel
from sqlalchemy import JSON, BigInteger, DateTime, LargeBinary, create_engine, text
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from bench.echo import Ask, Money

_THREADS: Final = 40
"""As many as Starlette runs handlers in."""


class _Base(DeclarativeBase):
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads it from the class
        int: BigInteger,
        datetime: DateTime(timezone=True),
        bytes: LargeBinary,
        dict[str, Any]: JSON,
    }


class Account(_Base):
    """A customer's limit and use; without a limit of its own it draws on its group's."""

    __tablename__ = "account"
    customer_id: Mapped[str] = mapped_column(primary_key=True)
    group_id: Mapped[str | None]
    limit_minor: Mapped[int | None]
    authorized_minor: Mapped[int] = mapped_column(default=0)
    seq: Mapped[int] = mapped_column(default=0)


class RequestKey(_Base):
    """An idempotency key with the answer it got."""

    __tablename__ = "request_key"
    key: Mapped[str] = mapped_column(primary_key=True)
    hash: Mapped[bytes]
    answer: Mapped[dict[str, Any]]


class CreditOrder(_Base):
    """An order and what is reserved for it."""

    __tablename__ = "credit_order"
    order_id: Mapped[str] = mapped_column(primary_key=True)
    customer_id: Mapped[str] = mapped_column(index=True)
    reserved_minor: Mapped[int]
    expires_at: Mapped[datetime]


class Journal(_Base):
    """An account as it stood after each change."""

    __tablename__ = "journal"
    customer_id: Mapped[str] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True)
    decision_id: Mapped[UUID]
    authorized_minor: Mapped[int]
    limit_minor: Mapped[int | None]
    at: Mapped[datetime]


class Decision(_Base):
    """What was asked and what was answered."""

    __tablename__ = "decision"
    decision_id: Mapped[UUID] = mapped_column(primary_key=True)
    customer_id: Mapped[str] = mapped_column(index=True)
    order_id: Mapped[str] = mapped_column(index=True)
    outcome: Mapped[str]
    evaluated_at: Mapped[datetime]
    inputs: Mapped[dict[str, Any]] = mapped_column(JSON)
    answer: Mapped[dict[str, Any]] = mapped_column(JSON)


class Answer(BaseModel):
    """A decision as it is sent."""

    decision_id: UUID
    outcome: str
    customer_id: str
    order_id: str
    amount: Money
    headroom: Money
    expires_at: datetime | None
    evaluated_at: datetime


app = FastAPI(openapi_url=None)
engine = create_engine(os.environ.get("NAIVE_DATABASE_URL", "postgresql://"), pool_size=_THREADS)


@app.post("/v1/authorizations", status_code=201)
def authorize(ask: Ask, idempotency_key: Annotated[str, Header()]) -> Answer:
    """Reserve for an order, or say HOLD."""
    wanted = round(float(ask.amount.amount) * 100)
    told = hashlib.sha256(ask.model_dump_json().encode()).digest()
    with Session(engine) as session, session.begin():
        known = session.get(RequestKey, idempotency_key)
        if known is not None:
            if known.hash != told:
                raise HTTPException(422, "the key was used before with another request")
            return Answer.model_validate(known.answer)
        order = session.get(CreditOrder, ask.order.id, with_for_update=True)
        account = session.get(Account, ask.customer_id, with_for_update=True)
        if account is None:
            raise HTTPException(404, "no such customer")
        accounts = [account]
        if account.group_id is not None:
            group = session.get_one(Account, account.group_id, with_for_update=True)
            accounts.append(group)
        more = wanted - (order.reserved_minor if order else 0)
        answer = _answer(ask, _headroom(accounts), more)
        if answer.outcome == "APPROVE":
            expires_at = answer.evaluated_at + timedelta(days=90)
            if order is None:
                order = CreditOrder(order_id=ask.order.id, customer_id=ask.customer_id)
                session.add(order)
            order.reserved_minor, order.expires_at = wanted, expires_at
            session.add_all(_move(one, more, answer) for one in accounts)
        session.add(_decision(ask, answer))
        kept = answer.model_dump(mode="json")
        session.add(RequestKey(key=idempotency_key, hash=told, answer=kept))
    return answer


def _headroom(accounts: list[Account]) -> int:
    rooms = [
        one.limit_minor - one.authorized_minor for one in accounts if one.limit_minor is not None
    ]
    return min(rooms, default=0)


def _answer(ask: Ask, headroom: int, more: int) -> Answer:
    approved = more <= headroom
    at = datetime.now(UTC)
    return Answer(
        decision_id=uuid4(),
        outcome="APPROVE" if approved else "HOLD",
        customer_id=ask.customer_id,
        order_id=ask.order.id,
        amount=ask.amount,
        headroom=Money(amount=f"{headroom / 100:.2f}", currency=ask.amount.currency),
        expires_at=at + timedelta(days=90) if approved else None,
        evaluated_at=at,
    )


def _move(account: Account, more: int, answer: Answer) -> Journal:
    account.authorized_minor += more
    account.seq += 1
    return Journal(
        customer_id=account.customer_id,
        seq=account.seq,
        decision_id=answer.decision_id,
        authorized_minor=account.authorized_minor,
        limit_minor=account.limit_minor,
        at=answer.evaluated_at,
    )


def _decision(ask: Ask, answer: Answer) -> Decision:
    return Decision(
        decision_id=answer.decision_id,
        customer_id=answer.customer_id,
        order_id=answer.order_id,
        outcome=answer.outcome,
        evaluated_at=answer.evaluated_at,
        inputs=ask.model_dump(mode="json"),
        answer=answer.model_dump(mode="json"),
    )


def prepare(url: str, customers: int, members: int, limit_minor: int) -> None:
    """Make the tables: customers `B-…` with a limit each, members `G-…` of one group with one."""
    made = create_engine(url)
    _Base.metadata.create_all(made)
    with made.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO account (customer_id, group_id, limit_minor, authorized_minor, seq)"
                " SELECT 'B-' || n, NULL, :limit, 0, 0 FROM generate_series(0, :customers - 1) n"
                " UNION ALL SELECT 'G', NULL, :limit, 0, 0"
                " UNION ALL SELECT 'G-' || n, 'G', NULL, 0, 0"
                " FROM generate_series(0, :members - 1) n"
            ),
            {"limit": limit_minor, "customers": customers, "members": members},
        )
    made.dispose()
