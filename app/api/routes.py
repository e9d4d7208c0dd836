"""Every router of the API, in the order in which OpenAPI lists them; one line a feature."""

from typing import Final

from fastapi import APIRouter

from app.api import (
    accounts,
    authorization_batches,
    authorizations,
    customers,
    decisions,
    facts,
    health,
    holds,
    limits,
    rates,
    reservations,
    scores,
    segments,
)

ROUTERS: Final[tuple[APIRouter, ...]] = (
    segments.router,
    customers.router,
    accounts.router,
    limits.router,
    rates.router,
    scores.router,
    authorizations.router,
    authorization_batches.router,
    reservations.router,
    decisions.router,
    facts.router,
    holds.router,
    health.router,
)
