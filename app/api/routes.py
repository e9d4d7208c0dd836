"""Every router of the API, in the order in which OpenAPI lists them; one line a feature."""

from typing import Final

from fastapi import APIRouter

from app.api import (
    accounts,
    adjustments,
    authorization_batches,
    authorizations,
    covers,
    customers,
    decisions,
    exposure,
    facts,
    health,
    holds,
    limits,
    limits_policy,
    limits_recommendation,
    rates,
    reservations,
    reviews,
    scores,
    segments,
    snapshots,
)

ROUTERS: Final[tuple[APIRouter, ...]] = (
    segments.router,
    customers.router,
    accounts.lean_router,
    accounts.router,
    exposure.router,
    limits.router,
    limits_policy.router,
    limits_recommendation.router,
    reviews.router,
    covers.router,
    rates.router,
    scores.lean_router,
    scores.router,
    authorizations.router,
    authorization_batches.router,
    reservations.router,
    decisions.router,
    facts.router,
    snapshots.router,
    adjustments.router,
    holds.router,
    health.router,
)
