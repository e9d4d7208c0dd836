"""What one process could answer at most: a bare FastAPI that reads the same body and sends it back.

No authentication, no log, no metrics, no database: the ceiling that the service is compared with.
"""

from typing import Literal

from fastapi import FastAPI
from pydantic import BaseModel


class Money(BaseModel):
    """An amount as the service takes it."""

    amount: str
    currency: str


class Order(BaseModel):
    """The part of an ask that names the order."""

    id: str
    version: int | None = None


class Ask(BaseModel):
    """The body of a limit check and of an authorization, as the load sends it."""

    customer_id: str
    segment: str = "main"
    check_point: Literal["QUOTE", "ORDER", "DELIVERY", "GOODS_ISSUE", "INVOICE"]
    order: Order
    amount: Money


app = FastAPI(openapi_url=None)


@app.post("/v1/authorizations", status_code=201)
async def echo(ask: Ask) -> Ask:
    """Send an ask back, through its model both ways."""
    return ask
