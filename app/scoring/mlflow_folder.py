"""A model as MLflow's LightGBM flavour keeps one, without MLflow: a folder that it loads.

`MLmodel`, `model.lgb` (LightGBM's own text) and the environment files. What MLflow has no place for
(calibration, scale, golden rows, signature) lies in `aval/`, which it passes over: a model that was
exported comes back whole. MLflow predicts the text's own probability, before calibration.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from app.domain.errors import FieldError
from app.domain.errors_models import ModelRefusedError
from app.domain.manifests import MANIFEST, FeatureType, Manifest
from app.domain.manifests_check import MOST_MODEL_BYTES
from app.domain.manifests_json import MOST_BYTES, manifest_from_bytes

OURS: Final = "aval"
"""The folder within the folder that holds what only Aval reads."""

MODEL: Final = "model.lgb"
_BOOSTER: Final = "lightgbm.basic.Booster"
_PLAIN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", re.ASCII)
_TYPES: Final = {
    FeatureType.NUMBER: "double",
    FeatureType.WHOLE: "double",  # a whole number that is missing is no integer in MLflow
    FeatureType.FLAG: "double",
}
_PYTHON: Final = "3.11"


@dataclass(frozen=True, slots=True)
class Foreign:
    """What a folder says: the text, its input names by the signature (empty: none), our manifest.

    `library` is the version of LightGBM that wrote it, as MLflow noted it.
    """

    text: bytes
    inputs: tuple[str, ...]
    library: str
    manifest: Manifest | None


def mlflow_files(manifest: Manifest, signed: Mapping[str, bytes], text: bytes) -> dict[str, bytes]:
    """Write the files of a folder, by their path in it.

    `signed` are manifest and signature as stored. The same version gives the same bytes.
    """
    library = manifest.libraries.get("lightgbm", "4")
    needs = [f"lightgbm=={library}", *_others(manifest)]
    environment = {"conda": "conda.yaml", "virtualenv": "python_env.yaml"}
    described = {
        "flavors": {
            "lightgbm": {
                "code": None,
                "data": MODEL,
                "lgb_version": library,
                "model_class": _BOOSTER,
            },
            "python_function": {
                "data": MODEL,
                "env": environment,
                "loader_module": "mlflow.lightgbm",
                "python_version": _PYTHON,
            },
        },
        "metadata": {"name": manifest.name, "version": manifest.version, "target": manifest.target},
        "signature": _signature(manifest),
        "utc_time_created": f"{manifest.made_at:%Y-%m-%d %H:%M:%S.%f}",
    }
    python = {
        "python": _PYTHON,
        "build_dependencies": ["pip"],
        "dependencies": ["-r requirements.txt"],
    }
    conda = {
        "name": "mlflow-env",
        "channels": ["conda-forge"],
        "dependencies": [f"python={_PYTHON}", "pip", {"pip": ["mlflow", *needs]}],
    }
    return {
        "MLmodel": _yaml(described),
        MODEL: text,
        "conda.yaml": _yaml(conda),
        "python_env.yaml": _yaml(python),
        "requirements.txt": "\n".join(["mlflow", *needs, ""]).encode(),
        **{f"{OURS}/{name}": data for name, data in signed.items()},
    }


def _others(manifest: Manifest) -> list[str]:
    known = ("numpy", "scipy")
    return [f"{one}=={manifest.libraries[one]}" for one in known if one in manifest.libraries]


def _signature(manifest: Manifest) -> dict[str, Any]:
    inputs = [
        {"type": _TYPES[one.type], "name": one.name, "required": True} for one in manifest.features
    ]
    outputs = [{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1]}}]
    return {"inputs": json.dumps(inputs), "outputs": json.dumps(outputs), "params": None}


def _yaml(data: object) -> bytes:
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True).encode()


def read_mlflow(folder: Path) -> Foreign:
    """Read a folder that MLflow (or `mlflow_files`) wrote. Nothing in it is run, nothing unpickled.

    Raises:
        ModelRefusedError: No LightGBM booster in text form, or a file that is too large.
        FieldError: Our manifest in it breaks a rule.
        OSError: A file cannot be read.

    """
    described = _parse(_read(folder / "MLmodel", MOST_BYTES))
    flavors = _part(described, "flavors")
    if "lightgbm" not in flavors:
        raise _refused("has no LightGBM flavour")
    flavor = _part(flavors, "lightgbm")
    if flavor.get("model_class", _BOOSTER) != _BOOSTER:
        raise _refused(f"holds {flavor['model_class']}, not a booster in text form")
    name = flavor.get("data", MODEL)
    if not isinstance(name, str) or not _PLAIN.fullmatch(name) or name.endswith(".pkl"):
        raise _refused("names no plain file as its data")
    ours = folder / OURS / MANIFEST
    return Foreign(
        text=_read(folder / name, MOST_MODEL_BYTES),
        inputs=_inputs(described.get("signature")),
        library=str(flavor.get("lgb_version", "unknown"))[:50],
        manifest=manifest_from_bytes(_read(ours, MOST_BYTES)) if ours.exists() else None,
    )


def _refused(rule: str) -> ModelRefusedError:
    return ModelRefusedError(f"the folder {rule}", "model.manifest")


def _read(path: Path, most: int) -> bytes:
    with path.open("rb") as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise ModelRefusedError(f"{path.name} has more than {most} bytes", "model.size")
    return data


def _parse(data: bytes) -> Mapping[str, Any]:
    try:
        found = yaml.safe_load(data)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError):
        raise _refused("has an MLmodel that is not YAML") from None
    if not isinstance(found, dict):
        raise _refused("has an MLmodel that says nothing")
    return found


def _part(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = data.get(name)
    if not isinstance(found, dict):
        raise _refused(f"has an MLmodel without {name}")
    return found


def _inputs(signature: object) -> tuple[str, ...]:
    """Read the names of the inputs; a signature by tensors has none."""
    try:
        listed = json.loads(signature["inputs"]) if isinstance(signature, dict) else []
        return tuple(str(one["name"]) for one in listed if "name" in one)
    except (KeyError, TypeError, ValueError):
        raise FieldError("the signature in MLmodel cannot be read", "signature") from None
