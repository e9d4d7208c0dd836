"""Every environment variable of Aval: typed, with its unit in its name and its limits; read once.

The process environment is read by `load_settings` alone, so what a program runs with is one frozen
value that the composition root hands on piece by piece. A variable that starts with `AVAL_` and is
not listed here is an error: a misspelt limit must not silently be the default.
"""

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_args

from annotated_types import Ge, Le
from pydantic import AfterValidator, Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

PREFIX: Final = "AVAL_"

_PAGE_HEAD: Final = """\
# Settings

Environment variables, read once at start. `_S` is seconds, `_MS` milliseconds, `_DAYS` days. A
variable `AVAL_…` that is not listed, or a value outside its limits, stops the start with one line.
Written by `app/settings.py`, held equal by `tests/test_settings.py`.

| variable | default | limits | meaning |
|---|---|---|---|
"""

_NEVER_EMPTY: Final = ("AVAL_DATABASE_URL", "AVAL_WORK_DATABASE_URL")
"""A secret that is not there must not be a fresh database."""

_PUBLIC_KEY: Final = re.compile(r"[A-Za-z0-9+/]{43}=", re.ASCII)
_PASSWORD: Final = re.compile(r"(?<=:)[^:@/?]*(?=@)|(?<=password=)[^&]*", re.IGNORECASE)


class SettingsError(Exception):
    """One line that names the variable and the rule it breaks; its value is not repeated."""


def mask_password(url: str) -> str:
    """Write a database URL with `***` where its password is, in authority or query."""
    return _PASSWORD.sub("***", url)


def _check_url(url: str) -> str:
    if not url.startswith(("postgresql://", "postgres://")):
        message = "must start with postgresql://"
        raise ValueError(message)
    return url


PostgresUrl = Annotated[str, AfterValidator(_check_url)]


class Settings(BaseSettings):
    """What the service runs with; times in seconds unless the name says otherwise."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="forbid", validate_default=True
    )

    state_dir: Path = Field(
        Path("./var"),
        description="Directory of the embedded database and the first API key",
    )
    database_url: PostgresUrl | None = Field(
        None, description="PostgreSQL 15 or later, may be a pooler; unset: the embedded PostgreSQL"
    )
    work_database_url: PostgresUrl | None = Field(
        None,
        description="Direct connection (no pooler) for jobs and migrations; unset: `DATABASE_URL`",
    )
    prepare: Literal["on", "off"] = Field(
        "on", description="Prepared statements; `off` behind a transaction pooler"
    )
    ops_host: str = Field(
        "127.0.0.1", min_length=1, description="Address of the operations port (`/metrics`)"
    )
    ops_port: int = Field(9464, ge=1, le=65535, description="Operations port (`/metrics`)")
    work_ops_port: int = Field(
        9465, ge=0, le=65535, description="Operations port of `aval work`; 0: none"
    )
    work_patience_s: float = Field(
        60.0, ge=0, le=3600, description="How long `aval work` waits for a service to start"
    )
    expire_every_s: float = Field(
        5.0, ge=0.1, le=3600, description="Pause between looks for expired authorizations"
    )
    count_every_s: float = Field(
        60.0, ge=0.1, le=3600, description="Pause between looks for orders that begin to count"
    )
    lapse_every_s: float = Field(
        60.0, ge=0.1, le=3600, description="Pause between looks for provisional money that expired"
    )
    revalue_every_s: float = Field(
        300.0, ge=0.1, le=3600, description="Pause between looks for a new day or exchange rate"
    )
    score_every_s: float = Field(
        1.0, ge=0.1, le=3600, description="Pause between looks for scores that are due"
    )
    score_cooldown_s: float = Field(
        5.0, ge=0, le=86_400, description="A score rests for so long unless something adverse comes"
    )
    score_night_hour: int = Field(
        2, ge=0, le=23, description="Hour of each segment's time zone from which all are scored"
    )
    train_every_days: int = Field(
        0,
        ge=0,
        le=3650,
        description="Age of the newest model at which `aval work` trains a candidate; 0: never",
    )
    score_model: str | None = Field(
        None,
        min_length=1,
        description="Name of the model that scores; unset: the first that stands",
    )
    score_trouble: Literal["keep", "scorecard"] = Field(
        "keep",
        description="While the model that stands cannot score: `keep` the last scores, which are"
        " stale, or use the `scorecard`",
    )
    score_four_eyes: Literal["on", "off"] = Field(
        "off", description="`on`: an override of a score needs a second client to approve it"
    )
    release_every_s: float = Field(
        0.5, ge=0.1, le=3600, description="Pause between looks for holds whose reasons are gone"
    )
    escalate_every_s: float = Field(
        30.0, ge=0.1, le=3600, description="Pause between looks for holds that waited too long"
    )
    adjust_every_s: float = Field(
        3600.0, ge=0.1, le=86_400, description="Pause between looks for limits to adjust"
    )
    remind_every_s: float = Field(
        300.0, ge=0.1, le=86_400, description="Pause between counts of limits that end or are due"
    )
    work_batch: int = Field(
        100, ge=1, le=1000, description="Most orders or accounts that background work locks at once"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least level that is logged"
    )
    log_format: Literal["json", "console"] = Field(
        "json", description="`json`: a line an event; `console`: for people"
    )
    lanes: int = Field(1, ge=1, le=8, description="Write lanes, a connection each, per process")
    large_lanes: int = Field(
        3, ge=0, le=8, description="Write lanes for large requests; 0: they share the others"
    )
    large_lanes_aside: Literal["on", "off"] = Field(
        "on",
        description="`on`: the database's processes of these lanes leave one processor to the"
        " service, where they are on its machine and its to tell (docs/running.md)",
    )
    database_nice: int = Field(
        5,
        ge=0,
        le=19,
        description="So much nicer than the process that asks them the database's processes are,"
        " where they are on its machine and its to tell (docs/running.md); 0: left alone",
    )
    write_growth: Literal["on", "off"] = Field(
        "on",
        description="`on`: what the database's tables grow by is written to the disk every second,"
        " where its files are on this machine and ours to read (docs/running.md)",
    )
    lane_batch: int = Field(
        256, ge=1, le=1024, description="Most requests that a lane takes at once"
    )
    lane_queue: int = Field(
        2048, ge=1, le=100_000, description="Most questions waiting at a lane (docs/running.md)"
    )
    lane_wait_s: float = Field(
        2.0, gt=0, le=60, description="Longest expected wait at a lane; beyond: 503 at once"
    )
    pool_size: int = Field(
        8, ge=1, le=100, description="Connections of the other routes, per process"
    )
    model_store: str | None = Field(
        None,
        min_length=1,
        description="Folder of models, or `s3://bucket/prefix` (reached by the usual `AWS_…`"
        " variables); unset: `models` in the state directory",
    )
    model_key_file: Path | None = Field(
        None,
        description="Private Ed25519 key (PEM, mode 0600) that models are signed with; unset:"
        " `model-signing-key.pem` in the state directory, made at first need",
    )
    model_trusted_keys: str = Field(
        "",
        description="Public keys (base64, separated by commas) whose models are loaded, besides"
        " this installation's own",
    )
    model_four_eyes: Literal["on", "off"] = Field(
        "off", description="`on`: a model becomes champion only with a second client's approval"
    )
    model_look_s: float = Field(
        2.0, ge=0.1, le=3600, description="Pause between looks for what was promoted elsewhere"
    )
    model_answer_s: float = Field(
        5.0, gt=0, le=60, description="Longest wait for the scoring process; beyond: 503"
    )
    shutdown_s: float = Field(
        30.0, ge=0, le=600, description="Longest wait for running requests when stopping"
    )

    @field_validator("model_trusted_keys")
    @classmethod
    def _are_keys(cls, value: str) -> str:
        for one in filter(None, (part.strip() for part in value.split(","))):
            if not _PUBLIC_KEY.fullmatch(one):
                message = "must be public keys of 32 bytes in base64, separated by commas"
                raise ValueError(message)
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        *_: PydanticBaseSettingsSource,
        **__: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take values from the caller only: no hidden second reading of the environment."""
        del settings_cls
        return (init_settings,)

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        """Show every field, database passwords as `***`."""
        for name, value in super().__repr_args__():
            hide = name is not None and name.endswith("_url") and isinstance(value, str)
            yield name, mask_password(value) if hide else value


def load_settings(environ: Mapping[str, str]) -> Settings:
    """Read the `AVAL_` variables of an environment; an empty value counts as unset, save addresses.

    Raises:
        SettingsError: A variable that does not exist, or a value that breaks its rule.

    """
    for name in _NEVER_EMPTY:
        if environ.get(name) == "":
            line = f"{name}: is empty; unset it where there is none"
            raise SettingsError(line)
    given = {name: value for name, value in environ.items() if name.startswith(PREFIX) and value}
    for name in given:
        _refuse_unknown(name)
    try:
        return Settings.model_validate(
            {name.removeprefix(PREFIX).lower(): value for name, value in given.items()}
        )
    except ValidationError as bad:
        first = bad.errors(include_url=False, include_input=False)[0]
        rule = first["msg"].removeprefix("Value error, ").removeprefix("Input ")
        line = f"{PREFIX}{str(first['loc'][0]).upper()}: {rule}"
        raise SettingsError(line) from None


def _refuse_unknown(name: str) -> None:
    known = [PREFIX + field.upper() for field in Settings.model_fields]
    if name in known:
        return
    near = get_close_matches(name, known, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    line = f"{name}: there is no such setting{hint}"
    raise SettingsError(line)


def settings_page() -> str:
    """Write `docs/settings.md`: every variable with its default, limits and meaning."""
    rows = [
        f"| `{PREFIX}{name.upper()}` | {_shown(field.default)} | {_limits(field.annotation, field)}"
        f" | {field.description} |"
        for name, field in Settings.model_fields.items()
    ]
    return _PAGE_HEAD + "\n".join(rows) + "\n"


def _shown(default: object) -> str:
    if default is None:
        return "unset"
    return f"`./{default}`" if isinstance(default, Path) else f"`{default}`"


def _limits(annotation: Any, field: Any) -> str:  # noqa: ANN401 - pydantic's own field metadata
    choices = [value for value in get_args(annotation) if isinstance(value, str)]
    if choices:
        return " or ".join(f"`{value}`" for value in choices)
    low = next((f"{m.ge} to" for m in field.metadata if isinstance(m, Ge)), "above 0, to")
    high = next((f"{m.le}" for m in field.metadata if isinstance(m, Le)), None)
    if high is not None:
        return f"{low} {high}"
    return "`postgresql://…`" if "Annotated" in str(annotation) else "text"
