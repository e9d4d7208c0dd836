"""The registry of models: versions, where they stand, promotions, and what was found sound.

A version stands as champion or shadow by its state; the database lets one a model do so.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    RowMapping,
    Select,
    func,
    insert,
    literal,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert as insert_or

from app.domain.errors import NotFoundError
from app.domain.manifests_json import manifest_from_json, manifest_to_json
from app.domain.models import (
    Fault,
    ModelState,
    Move,
    Promotion,
    PromotionStatus,
    RegisteredModel,
    Standing,
)
from app.domain.scores import ModelVersion
from app.store.database import Tx
from app.store.schema.models import model, model_check, model_promotion, model_version


def claim(tx: Tx, name: str) -> int:
    """Give the next version number of a model; nobody else gets it, even if nothing comes of it."""
    statement = insert_or(model).values(name=name, newest=1)
    statement = statement.on_conflict_do_update(
        index_elements=[model.c.name], set_={"newest": model.c.newest + 1}
    )
    found: int = tx.execute(statement.returning(model.c.newest)).scalar_one()
    return found


def same(tx: Tx, name: str, content: bytes) -> RegisteredModel | None:
    """Find the version of a model that was made of the same content."""
    query = select(model_version).where(
        model_version.c.name == name, model_version.c.content == content
    )
    row = tx.execute(query).mappings().one_or_none()
    return None if row is None else _from_row(row)


def add(tx: Tx, made: RegisteredModel, content: bytes) -> bool:
    """Add a version as a candidate; False where one of the same content is there already."""
    values = {
        "name": made.manifest.name,
        "version": made.manifest.version,
        "manifest": manifest_to_json(made.manifest),
        "manifest_sha256": made.manifest_sha256,
        "content": content,
        "signed_by": made.signed_by,
        "client": made.client,
        "actor": made.actor,
        "registered_at": made.registered_at,
    }
    statement = insert_or(model_version).values(values)
    statement = statement.on_conflict_do_nothing(
        index_elements=[model_version.c.name, model_version.c.content]
    )
    return tx.execute(statement.returning(model_version.c.version)).one_or_none() is not None


def _from_row(row: RowMapping) -> RegisteredModel:
    fault = row["fault"]
    return RegisteredModel(
        manifest=manifest_from_json(row["manifest"]),
        state=ModelState(row["state"]),
        manifest_sha256=bytes(row["manifest_sha256"]),
        signed_by=row["signed_by"],
        client=row["client"],
        actor=row["actor"],
        registered_at=row["registered_at"],
        fault=None if fault is None else _fault(fault),
    )


def _fault(data: dict[str, Any]) -> Fault:
    return Fault(data["check"], data["detail"], datetime.fromisoformat(data["at"]))


def read(tx: Tx, name: str, version: int) -> RegisteredModel:
    """Read a version.

    Raises:
        NotFoundError: There is none.

    """
    query = select(model_version).where(
        model_version.c.name == name, model_version.c.version == version
    )
    row = tx.execute(query).mappings().one_or_none()
    if row is None:
        raise NotFoundError(f"{name[:64]!r} has no version {version}")
    return _from_row(row)


def versions(tx: Tx, name: str, below: int | None, most: int) -> list[RegisteredModel]:
    """List versions of a model below a number (None: all), the newest first."""
    query = select(model_version).where(model_version.c.name == name)
    if below is not None:
        query = query.where(model_version.c.version < literal(below, BigInteger))
    rows = tx.execute(query.order_by(model_version.c.version.desc()).limit(most)).mappings()
    return [_from_row(row) for row in rows]


def _standings() -> Select[Any]:
    def at(state: ModelState) -> ColumnElement[int | None]:
        found = func.max(model_version.c.version).filter(model_version.c.state == state.value)
        return found.label(state.value.lower())

    peak = select(func.max(model_promotion.c.version)).where(
        model_promotion.c.name == model.c.name,
        model_promotion.c.move == Move.PROMOTE.value,
        model_promotion.c.status == PromotionStatus.APPLIED.value,
    )
    return (
        select(
            model.c.name,
            func.max(model_version.c.version).label("newest"),
            at(ModelState.CHAMPION),
            at(ModelState.SHADOW),
            peak.scalar_subquery().label("peak"),
        )
        .join(model_version, model_version.c.name == model.c.name)
        .group_by(model.c.name)
    )


def standings(tx: Tx, after: str, most: int) -> list[Standing]:
    """List models whose names come after one, in their order, with where their versions stand."""
    query = _standings().where(model.c.name > after).order_by(model.c.name).limit(most)
    return [Standing(**row) for row in tx.execute(query).mappings()]


def standing(tx: Tx, name: str, *, lock: bool = False) -> Standing:
    """Read where the versions of a model stand; `lock` keeps others from moving any until the end.

    Raises:
        NotFoundError: No version of such a model was registered.

    """
    if lock:
        tx.execute(select(model.c.name).where(model.c.name == name).with_for_update())
    row = tx.execute(_standings().where(model.c.name == name)).mappings().one_or_none()
    if row is None:
        raise NotFoundError(f"there is no model {name[:64]!r}")
    return Standing(**row)


def serving(tx: Tx) -> list[RegisteredModel]:
    """Read every champion and shadow."""
    states = (ModelState.CHAMPION.value, ModelState.SHADOW.value)
    query = select(model_version).where(model_version.c.state.in_(states))
    order = query.order_by(model_version.c.name, model_version.c.state)
    return [_from_row(row) for row in tx.execute(order).mappings()]


def set_state(tx: Tx, one: ModelVersion, state: ModelState) -> None:
    """Let a version stand somewhere; its model is locked, and whoever stood there was moved."""
    tx.execute(_of(one).values(state=state.value))


def _of(one: ModelVersion) -> Any:  # noqa: ANN401 - the statement's type is SQLAlchemy's own
    return update(model_version).where(
        model_version.c.name == one.name, model_version.c.version == one.version
    )


def set_fault(tx: Tx, one: ModelVersion, fault: Fault | None) -> None:
    """Note why a version cannot be loaded, or that it can."""
    told = fault and {"check": fault.check, "detail": fault.detail, "at": fault.at.isoformat()}
    tx.execute(_of(one).values(fault=told))


def add_promotion(tx: Tx, made: Promotion) -> None:
    """Add a promotion; the model is locked, and no other one is proposed."""
    tx.execute(insert(model_promotion).values(_to_row(made)))


def write_promotion(tx: Tx, after: Promotion) -> None:
    """Write what became of a proposed promotion; the model is locked."""
    statement = update(model_promotion).values(_to_row(after))
    tx.execute(statement.where(model_promotion.c.promotion_id == after.promotion_id))


def _to_row(made: Promotion) -> dict[str, Any]:
    names = [column.name for column in model_promotion.c if column.name not in {"name", "version"}]
    return {
        **{name: getattr(made, name) for name in names},
        "name": made.model.name,
        "version": made.model.version,
    }


def _promotion(row: RowMapping) -> Promotion:
    told = {name: value for name, value in row.items() if name not in {"name", "version"}}
    told |= {"move": Move(row["move"]), "status": PromotionStatus(row["status"])}
    return Promotion(**{**told, "model": ModelVersion(row["name"], row["version"])})


def promotion(tx: Tx, name: str, promotion_id: str) -> Promotion:
    """Read a promotion of a model.

    Raises:
        NotFoundError: The model has none with this id.

    """
    query = select(model_promotion).where(
        model_promotion.c.name == name, model_promotion.c.promotion_id == promotion_id
    )
    row = tx.execute(query).mappings().one_or_none()
    if row is None:
        raise NotFoundError(f"{name[:64]!r} has no promotion with the id {promotion_id[:64]!r}")
    return _promotion(row)


def promotions(tx: Tx, name: str, before: str | None, most: int) -> list[Promotion]:
    """List promotions of a model made before one (None: all), the newest first."""
    query = select(model_promotion).where(model_promotion.c.name == name)
    if before is not None:
        query = query.where(model_promotion.c.promotion_id < before)
    rows = tx.execute(query.order_by(model_promotion.c.promotion_id.desc()).limit(most)).mappings()
    return [_promotion(row) for row in rows]


def proposed(tx: Tx, name: str) -> Promotion | None:
    """Read the promotion that waits for a second person, if one does."""
    query = select(model_promotion).where(
        model_promotion.c.name == name,
        model_promotion.c.status == PromotionStatus.PROPOSED.value,
    )
    row = tx.execute(query).mappings().one_or_none()
    return None if row is None else _promotion(row)


def promoted(tx: Tx, one: ModelVersion) -> Promotion | None:
    """Read the promotion that made a version champion for the first time."""
    query = select(model_promotion).where(
        model_promotion.c.name == one.name,
        model_promotion.c.version == one.version,
        model_promotion.c.move == Move.PROMOTE.value,
        model_promotion.c.status == PromotionStatus.APPLIED.value,
    )
    row = tx.execute(query.order_by(model_promotion.c.promotion_id).limit(1)).mappings().first()
    return None if row is None else _promotion(row)


def remember(tx: Tx, manifest_sha256: bytes, checked_with: str) -> None:
    """Note that what a manifest binds passed structure and trial."""
    values = {"manifest_sha256": manifest_sha256, "checked_with": checked_with}
    tx.execute(insert_or(model_check).values(values).on_conflict_do_nothing())


def remembered(tx: Tx, manifests: Sequence[bytes], checked_with: str) -> set[bytes]:
    """Tell which manifests passed structure and trial before, under the same rules."""
    query = select(model_check.c.manifest_sha256).where(
        model_check.c.manifest_sha256.in_(list(manifests)),
        model_check.c.checked_with == checked_with,
    )
    return {bytes(found) for found in tx.execute(query).scalars()}
