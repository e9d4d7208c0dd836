"""Settings: limits with their boundaries, one clear line a mistake, no password in a repr."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from app.settings import Settings, SettingsError, load_settings, mask_password, settings_page

PAGE = Path(__file__).parent.parent / "docs" / "settings.md"
SECRET = "c4nary"


def test_defaults_and_foreign_variables() -> None:
    """Other programs' variables and empty values are none of ours."""
    settings = load_settings({"PATH": "/bin", "AVAL_LANES": "", "aval_lanes": "7"})
    assert settings == Settings()
    assert settings.database_url is None


def test_process_environment_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only `load_settings` reads an environment, and only the one it is given."""
    monkeypatch.setenv("AVAL_LANES", "5")
    assert load_settings({}).lanes == 1


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        pytest.param("AVAL_LANES", "0", "AVAL_LANES: should be greater", id="one-below-lowest"),
        pytest.param("AVAL_LANES", "9", "AVAL_LANES: should be less", id="one-above-highest"),
        pytest.param("AVAL_LANES", "two", "AVAL_LANES: should be a valid int", id="not-a-number"),
        pytest.param("AVAL_OPS_PORT", "65536", "AVAL_OPS_PORT: should", id="port-too-high"),
        pytest.param("AVAL_PREPARE", "maybe", "AVAL_PREPARE: should be 'on'", id="not-a-choice"),
        pytest.param("AVAL_SHUTDOWN_S", "nan", "AVAL_SHUTDOWN_S: should", id="not-finite"),
        pytest.param("AVAL_DATABASE_URL", "mysql://x", "AVAL_DATABASE_URL: must", id="other-base"),
        pytest.param("AVAL_DATABASE_URL", "", "AVAL_DATABASE_URL: is empty", id="empty-base"),
        pytest.param("AVAL_WORK_DATABASE_URL", "", "AVAL_WORK_DATABASE_URL: is", id="empty-work"),
        pytest.param("AVAL_LANE", "1", "AVAL_LANE: there is no such setting; did", id="misspelt"),
        pytest.param("AVAL_lanes", "1", "AVAL_lanes: there is no such", id="wrong-case"),
        pytest.param("AVAL_", "1", "AVAL_: there is no such setting", id="prefix-alone"),
    ],
)
def test_refusal_is_one_line_naming_variable(name: str, value: str, line: str) -> None:
    """The person at the terminal reads which variable and which rule, without a traceback."""
    with pytest.raises(SettingsError) as refused:
        load_settings({name: value})
    assert str(refused.value).startswith(line)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("value", ["1", "8"])
def test_limits_are_inclusive(value: str) -> None:
    """Both ends of 1..8 are taken."""
    assert load_settings({"AVAL_LANES": value}).lanes == int(value)


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://aval:{SECRET}@db:5432/aval",
        f"postgresql://:{SECRET}@db/aval",
        f"postgresql://db/aval?user=aval&password={SECRET}&sslmode=require",
    ],
)
def test_password_is_masked(url: str) -> None:
    """Neither repr nor str nor an error line shows it; the connection still gets it."""
    settings = load_settings({"AVAL_DATABASE_URL": url, "AVAL_WORK_DATABASE_URL": url})
    assert SECRET not in repr(settings)
    assert SECRET not in str(settings)
    assert SECRET not in mask_password(url)
    assert "***" in repr(settings)
    assert settings.database_url == url
    with pytest.raises(SettingsError) as refused:
        load_settings({"AVAL_DATABASE_URL": url.replace("postgresql", "mysql")})
    assert SECRET not in str(refused.value)


def test_frozen() -> None:
    """A running program cannot change what it was started with."""
    settings = Settings()
    with pytest.raises(ValidationError):
        settings.lanes = 2  # type: ignore[misc]


def test_page_is_current() -> None:
    """`docs/settings.md` is what the code says (`settings_page()` writes it)."""
    assert PAGE.read_text(encoding="utf-8") == settings_page()
    for name in Settings.model_fields:
        assert f"| `AVAL_{name.upper()}` |" in settings_page()
