"""What the image and the chart set and start exists."""

import re
from pathlib import Path

import pytest

from app.cli.commands import COLUMNS
from app.settings import PREFIX, Settings

ROOT = Path(__file__).parents[1]
FILES = [ROOT / "Dockerfile", *sorted((ROOT / "helm" / "templates").iterdir())]
SETTING = re.compile(r"AVAL_[A-Z0-9_]+")
COMMAND = re.compile(r'^ *args:\s*(?:\[|-)\s*([a-z-]+)|^CMD \["([a-z-]+)"', re.MULTILINE)


def settings_of(text: str) -> set[str]:
    return set(SETTING.findall(text))


def commands_of(text: str) -> set[str]:
    return {first or second for first, second in COMMAND.findall(text)}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_settings_and_commands_are_ours(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert settings_of(text) <= {PREFIX + name.upper() for name in Settings.model_fields}
    assert commands_of(text) <= set(COLUMNS)


@pytest.mark.parametrize("name", ["deployment", "work"])
def test_what_answers_and_what_works_have_the_same_models(name: str) -> None:
    """And places to write to: training needs one, and the root file system is read-only."""
    text = (ROOT / "helm" / "templates" / f"{name}.yaml").read_text(encoding="utf-8")
    for part in ("databaseUrl", "settings", "mounts", "volumes", "security"):
        assert f'include "aval.{part}" .' in text
    assert ".Values.envFrom" in text
    shared = settings_of((ROOT / "helm" / "templates" / "_names.tpl").read_text(encoding="utf-8"))
    assert {"AVAL_MODEL_STORE", "AVAL_MODEL_KEY_FILE"} <= shared


@pytest.mark.parametrize("name", ["deployment", "work", "migrate"])
def test_every_pod_is_given_what_all_need(name: str) -> None:
    """`envFrom` brings what the address of the database may name, such as certificates."""
    text = (ROOT / "helm" / "templates" / f"{name}.yaml").read_text(encoding="utf-8")
    assert "envFrom: {{- toYaml . | nindent" in text
    assert 'securityContext: {{- include "aval.security" . ' in text
    assert "runAsNonRoot: true" in text


def test_containers_keep_what_the_profile_restricted_asks() -> None:
    """Of Kubernetes' Pod Security Standards; a pod that lacks one is not admitted there."""
    text = (ROOT / "helm" / "templates" / "_names.tpl").read_text(encoding="utf-8")
    security = text.partition('define "aval.security"')[2].partition("{{- end }}")[0]
    for line in (
        "allowPrivilegeEscalation: false",
        "capabilities: {drop: [ALL]}",
        "seccompProfile: {type: RuntimeDefault}",
    ):
        assert f"\n{line}\n" in security


def test_systemd_starts_it_again_however_often_it_ends() -> None:
    """By itself it gives up after five starts within 10 s."""
    text = (ROOT / "docs" / "running.md").read_text(encoding="utf-8")
    pause = re.search(r"^ {4}RestartSec=(\d+)$", text, re.MULTILINE)
    assert pause is not None
    assert 5 * int(pause[1]) > 10


def test_they_are_found_at_all() -> None:
    texts = {file.name: file.read_text(encoding="utf-8") for file in FILES}
    assert commands_of(texts["Dockerfile"]) == {"serve"}
    assert commands_of(texts["deployment.yaml"]) == {"serve"}
    assert commands_of(texts["migrate.yaml"]) == {"migrate"}
    assert commands_of(texts["work.yaml"]) == {"work"}
    assert "AVAL_OPS_PORT" in settings_of(texts["deployment.yaml"])
    assert "AVAL_DATABASE_URL" in settings_of(texts["_names.tpl"])
    assert "AVAL_STATE_DIR" in settings_of(texts["Dockerfile"])
