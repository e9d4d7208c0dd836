"""Packages of models in a folder or in S3-compatible storage: written once, read whole.

`<name>/<version>/<file>`. The signature is written last: a version without one was never finished
and is not read. S3 takes its region, address and credentials from the usual `AWS_…` variables.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import LocalStore, MemoryStore, ObjectStore, S3Store

from app.domain.errors import BusyError
from app.domain.errors_models import ModelRefusedError, ModelStateError
from app.domain.manifests import MANIFEST
from app.domain.scores import ModelVersion
from app.scoring.packages import SIGNATURE

_AWAY: Final = (BaseError, OSError, ValueError)
_OPTIONS: Final[dict[str, Any]] = {
    # plain HTTP only where `AWS_ENDPOINT_URL` itself says http://
    "client_options": {"timeout": "20s", "connect_timeout": "5s", "allow_http": True},
    "retry_config": {"max_retries": 2, "retry_timeout": timedelta(seconds=30)},
}


def store_is_url(place: str) -> bool:
    """Tell an address of S3-compatible storage from a folder."""
    return place.startswith(("s3://", "s3a://"))


def open_store(place: str) -> "ArtefactStore":
    """Open a folder, which is made, or `s3://bucket/prefix`; nothing is read yet.

    Raises:
        BusyError: The folder cannot be made, or the address cannot be used.

    """
    try:
        if store_is_url(place):
            return ArtefactStore(S3Store.from_url(place, **_OPTIONS))
        folder = Path(place).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        return ArtefactStore(LocalStore(folder), folder)
    except _AWAY as error:
        raise BusyError(f"the model store {place} cannot be opened: {_line(error)}") from error


def memory_store() -> "ArtefactStore":
    """Make a store that lives as long as this process."""
    return ArtefactStore(MemoryStore())


@dataclass(frozen=True, slots=True)
class ArtefactStore:
    """Where versions are kept; `folder` is given where it is one."""

    objects: ObjectStore
    folder: Path | None = None

    def write(self, model: ModelVersion, files: Mapping[str, bytes]) -> None:
        """Write a version's files, the signature last; what is there is never written over.

        Raises:
            ModelStateError: The version is there already.
            BusyError: The store was out of reach; what was written is not read without a signature.

        """
        for name in sorted(files, key=lambda one: (one == SIGNATURE, one == MANIFEST, one)):
            path = _path(model, name)
            try:
                self.objects.put(path, files[name], mode="create")
            except AlreadyExistsError:
                raise ModelStateError(f"{path} is there already") from None
            except _AWAY as error:
                raise BusyError(f"the model store is out of reach: {_line(error)}") from error
            if self.folder is not None:
                _settle(self.folder / path)

    def read(self, model: ModelVersion, name: str, most_bytes: int) -> bytes:
        """Read a file of at most so many bytes; its size is asked before anything is read.

        Raises:
            ModelRefusedError: It is not there, or larger.
            BusyError: The store was out of reach.

        """
        path = _path(model, name)
        try:
            size = self.objects.head(path)["size"]
            if size > most_bytes:
                line = f"{path} has {size} bytes, more than {most_bytes}"
                raise ModelRefusedError(line, "model.size")
            return bytes(self.objects.get(path).bytes())
        except FileNotFoundError:
            raise ModelRefusedError(f"{path} is not there", "model.size") from None
        except _AWAY as error:
            raise BusyError(f"the model store is out of reach: {_line(error)}") from error


def _path(model: ModelVersion, name: str) -> str:
    return f"{model.name}/{model.version}/{name}"


def _line(error: Exception) -> str:
    return str(error).partition("\n")[0][:200]


def _settle(path: Path) -> None:
    """Let a file and its name survive a power cut before its signature is there."""
    for one in (path, path.parent):
        handle = os.open(one, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
