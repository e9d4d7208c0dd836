"""Models over HTTP: register, look, promote, approve, roll back; and what is refused."""

import time
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from app.api.desk import Desk
from app.api.wire import encode_cursor
from app.domain.manifests import PackageFile
from app.domain.manifests_json import manifest_to_json
from app.domain.models import Alias, Package
from app.domain.scores import ModelVersion
from app.main import create_app
from app.settings import Settings
from app.store.database import Database
from app.usecases.keys import CreateKey
from tests.erp import refused
from tests.scoring.packages import constant, points, row, sample
from tests.server import NO_TLS, Clock, ServiceThread

PATIENCE_S = 30.0


def body(package: Package, **attachments: bytes) -> dict[str, Any]:
    files = {name.replace("_", "."): data for name, data in attachments.items()}
    listed = tuple(
        PackageFile(name, len(data), sha256(data).hexdigest()) for name, data in files.items()
    )
    manifest = replace(package.manifest, attachments=listed)
    return {
        "manifest": manifest_to_json(manifest),
        "model": package.model.decode(),
        "attachments": {name: b64encode(data).decode() for name, data in files.items()},
    }


def promote(
    client: httpx2.Client, name: str, version: int, to: str = "champion"
) -> httpx2.Response:
    path = f"/v1/models/{name}/versions/{version}/promote"
    return client.post(path, json={"to": to, "reason": "better"})


def test_the_life_of_a_model(client: httpx2.Client, app: FastAPI) -> None:
    assert client.get("/v1/models").json() == {"items": [], "next_cursor": None}
    refused(client.get("/v1/models/late-payment/champion"), 404, "not_found")
    card = "# 模型卡".encode()
    made = client.post("/v1/models", json=body(sample(), card_md=card))
    assert (made.status_code, made.json()["version"], made.json()["state"]) == (201, 1, "CANDIDATE")
    assert client.post("/v1/models", json=body(sample(), card_md=card)).status_code == 200
    assert client.post("/v1/models", json=body(constant(0.2))).json()["version"] == 2
    files = "/v1/models/late-payment/versions/1/files"
    assert client.get(f"{files}/card.md").content == card
    assert client.get(f"{files}/model.txt").content == sample().model
    refused(client.get(f"{files}/manifest.json"), 404, "not_found")

    assert promote(client, "late-payment", 2, "shadow").json()["promotion"]["move"] == "SHADOW"
    moved = promote(client, "late-payment", 1)
    assert (moved.status_code, moved.json()["model"]["version"]) == (200, 1)
    assert promote(client, "late-payment", 1).json()["promotion"] is None
    standing = {"name": "late-payment", "newest": 2, "champion": 1, "shadow": 2}
    assert client.get("/v1/models").json()["items"] == [standing]
    assert client.get("/v1/models/late-payment").json() == standing
    assert client.get("/v1/models/late-payment/champion").json()["version"] == 1
    desk: Desk = app.state.desk
    champion = ("late-payment", Alias.CHAMPION)
    assert _comes_to_stand(desk, champion, 1)
    found = desk.models.scorer.predict(ModelVersion("late-payment", 1), [row(sample())])[0]
    assert found.grade.probability == sample().manifest.golden[0].probability

    promote(client, "late-payment", 2)
    assert _comes_to_stand(desk, champion, 2)
    back = client.post("/v1/models/late-payment/rollback", json={"reason": "worse"}).json()
    assert (back["model"]["version"], back["promotion"]["replaced"]) == (1, 2)
    assert _comes_to_stand(desk, champion, 1)
    refused(promote(client, "late-payment", 2), 409, "model_state")
    page = client.get("/v1/models/late-payment/promotions", params={"limit": 3}).json()
    assert [one["move"] for one in page["items"]] == ["ROLLBACK", "PROMOTE", "PROMOTE"]
    rest = client.get(
        "/v1/models/late-payment/promotions", params={"cursor": page["next_cursor"]}
    ).json()
    assert [one["move"] for one in rest["items"]] == ["SHADOW"]
    versions = client.get("/v1/models/late-payment/versions", params={"limit": 1}).json()
    assert [one["state"] for one in versions["items"]] == ["RETIRED"]
    assert versions["next_cursor"]
    beyond = {"cursor": encode_cursor([2**31])}  # more than a version can be
    assert client.get("/v1/models/late-payment/versions", params=beyond).json()["items"]


def _comes_to_stand(desk: Desk, place: tuple[str, Alias], version: int) -> bool:
    until = time.monotonic() + PATIENCE_S
    wanted = ModelVersion(place[0], version)
    while desk.models.scorer.places().get(place) != wanted and time.monotonic() < until:
        time.sleep(0.02)
    return desk.models.scorer.places().get(place) == wanted


def test_what_is_wrong_is_named(client: httpx2.Client) -> None:
    good = body(points())
    broken = {**good, "manifest": {**good["manifest"], "prior": 2}}
    refused(client.post("/v1/models", json=broken), 422, "invalid_field")
    assert client.post("/v1/models", json=broken).json()["errors"][0]["field"] == "manifest.prior"
    edited = {**good, "model": good["model"].replace("80", "90")}
    answer = client.post("/v1/models", json=edited)
    refused(answer, 422, "model_refused")
    assert answer.json()["errors"][0]["field"] == "model.sha256"
    refused(client.post("/v1/models", json={**good, "pickle": ""}), 422, "invalid_field")
    listed = {**good, "attachments": {"card.md": "%"}}
    refused(client.post("/v1/models", json=listed), 422, "invalid_field")
    too_long = {**good, "model": "x" * 9_000_000}
    refused(client.post("/v1/models", json=too_long), 413, "too_large")
    assert client.get("/v1/models").json()["items"] == []
    refused(promote(client, "points-card", 1), 404, "not_found")
    refused(client.get("/v1/models/Points/versions"), 422, "invalid_field")
    client.post("/v1/models", json=good)
    cursor = client.get("/v1/models/points-card/promotions", params={"cursor": "WyJ4Il0"})
    refused(cursor, 422, "invalid_field")


@pytest.fixture
def strict(settings: Settings, database_url: str, clock: Clock) -> Iterator[str]:
    """Serve where becoming champion takes two."""
    four_eyes = settings.model_copy(update={"model_four_eyes": "on"})
    with ServiceThread(create_app(four_eyes, database_url, clock)) as running:
        yield running.url


def test_a_second_client_approves(strict: str, database: Database, clock: Clock) -> None:
    def asks(name: str, scope: str) -> httpx2.Client:
        token = CreateKey(database, clock)(name, [scope])
        headers = {"Authorization": f"Bearer {token}", "Aval-Actor": "li.na"}
        return httpx2.Client(
            base_url=strict, headers=headers, timeout=20, trust_env=False, verify=NO_TLS
        )

    with (
        asks("ann", "model:admin") as ann,
        asks("bob", "model:admin") as bob,
        asks("cat", "model:read") as cat,
    ):
        refused(cat.post("/v1/models", json=body(points())), 403, "forbidden")
        ann.post("/v1/models", json=body(points()))
        refused(ann.get("/v1/models"), 403, "forbidden")
        asked = promote(ann, "points-card", 1)
        assert (asked.status_code, asked.json()["promotion"]["status"]) == (202, "PROPOSED")
        path = f"/v1/models/points-card/promotions/{asked.json()['promotion']['promotion_id']}"
        refused(cat.post(f"{path}/approve"), 403, "forbidden")
        refused(ann.post(f"{path}/approve"), 403, "four_eyes")
        refused(cat.get("/v1/models/points-card/champion"), 404, "not_found")
        done = bob.post(f"{path}/approve").json()["promotion"]
        assert (done["proposed_by"], done["decided_by"]) == ("ann", "bob")
        assert cat.get("/v1/models/points-card/champion").json()["version"] == 1
        refused(bob.post(f"{path}/reject"), 409, "model_state")
