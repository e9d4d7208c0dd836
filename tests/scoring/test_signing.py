"""Signatures let in what a trusted key signed, and nothing else."""

import os
import stat
import threading
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import orjson
import pytest

from app.domain.errors import BusyError
from app.domain.errors_models import ModelRefusedError
from app.scoring.shelf import Shelf
from app.scoring.signing import (
    PAYLOAD_TYPE,
    KeyFileError,
    SigningKey,
    TrustedKeys,
    make_key,
    read_key,
)

DATA = b'{"name": "late-payment", "version": 3}\n'


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> SigningKey:
    return make_key(tmp_path_factory.mktemp("keys") / "key.pem")


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> SigningKey:
    return make_key(tmp_path_factory.mktemp("keys") / "key.pem")


def test_a_trusted_signature_is_found(key: SigningKey, other: SigningKey) -> None:
    trusted = TrustedKeys.of([other.public, key.public])
    assert trusted.check(DATA, key.sign(DATA)) == key.key_id


def test_an_unknown_key_is_refused(key: SigningKey, other: SigningKey) -> None:
    with pytest.raises(ModelRefusedError) as refusal:
        TrustedKeys.of([other.public]).check(DATA, key.sign(DATA))
    assert refusal.value.check == "signature"
    assert key.key_id in refusal.value.detail


def test_one_byte_more_or_other_is_refused(key: SigningKey) -> None:
    trusted, signed = TrustedKeys.of([key.public]), key.sign(DATA)
    for other in (DATA + b" ", DATA.replace(b"3", b"2"), b""):
        with pytest.raises(ModelRefusedError):
            trusted.check(other, signed)


def test_a_name_of_a_key_is_no_signature_by_it(key: SigningKey, other: SigningKey) -> None:
    forged = orjson.loads(other.sign(DATA))
    forged["signatures"][0]["keyid"] = key.key_id
    with pytest.raises(ModelRefusedError):
        TrustedKeys.of([key.public]).check(DATA, orjson.dumps(forged))


def test_a_signature_of_the_bare_bytes_is_no_signature(key: SigningKey) -> None:
    bare = orjson.loads(key.sign(DATA))
    bare["signatures"][0]["sig"] = b64encode(key.private.sign(DATA)).decode()
    with pytest.raises(ModelRefusedError):
        TrustedKeys.of([key.public]).check(DATA, orjson.dumps(bare))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[1]",
        orjson.dumps({"payload_type": "x", "signatures": []}),
        orjson.dumps({"payload_type": PAYLOAD_TYPE, "signatures": [{"keyid": "a", "sig": "%"}]}),
        orjson.dumps({"payload_type": PAYLOAD_TYPE, "signatures": "abc"}),
        orjson.dumps({"payload_type": PAYLOAD_TYPE, "signatures": []}),
        b" " * 20_000,
    ],
)
def test_what_is_no_signature_is_refused(key: SigningKey, data: bytes) -> None:
    with pytest.raises(ModelRefusedError) as refusal:
        TrustedKeys.of([key.public]).check(DATA, data)
    assert refusal.value.check == "signature"


def test_a_key_is_made_for_its_owner_only_and_once(tmp_path: Path) -> None:
    path = tmp_path / "state" / "key.pem"
    made = make_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_key(path).public == made.public
    with pytest.raises(KeyFileError):
        make_key(path)
    assert read_key(path).public == made.public


def test_a_key_is_there_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    """Who registers while it is made reads it, or makes one."""
    paths = [tmp_path / str(number) for number in range(100)]
    line = threading.Barrier(2)

    def watch() -> set[int]:
        sizes = set()
        for path in paths:
            line.wait()
            while not path.exists():
                pass
            sizes.add(path.stat().st_size)
        return sizes

    with ThreadPoolExecutor(1) as pool:
        watching = pool.submit(watch)
        for path in paths:
            line.wait()
            make_key(path)
        assert watching.result(20) == {paths[0].stat().st_size}
    assert sorted(tmp_path.iterdir()) == sorted(paths)


@pytest.mark.parametrize("mode", [0o604, 0o620, 0o610, 0o602])
def test_a_key_that_others_may_use_is_not_used(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "key.pem"
    make_key(path)
    path.chmod(mode)
    with pytest.raises(KeyFileError, match="chmod 600"):
        read_key(path)


def test_only_a_key_of_roots_may_be_read_by_its_group(tmp_path: Path) -> None:
    """A mounted secret is root's, with the group of the process; nobody's own file needs that."""
    path = tmp_path / "key.pem"
    made = make_key(path)
    path.chmod(0o640)
    if os.geteuid() == 0:
        assert read_key(path).public == made.public
        os.chown(path, 1, -1)
    with pytest.raises(KeyFileError, match="chmod 600"):
        read_key(path)


@pytest.mark.parametrize("data", [b"", b"-----BEGIN PRIVATE KEY-----\nAA==\n"])
def test_a_file_that_is_no_key_is_named(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "key.pem"
    path.write_bytes(data)
    path.chmod(0o600)
    with pytest.raises(KeyFileError, match=r"key\.pem"):
        read_key(path)


def test_a_public_key_is_32_bytes(key: SigningKey) -> None:
    for text in ("", "AAAA", key.public[:-4], "%%%"):
        with pytest.raises(ValueError, match="32 bytes"):
            TrustedKeys.of([text])


def test_a_shelf_makes_its_own_key_and_trusts_it(tmp_path: Path) -> None:
    shelf = Shelf.at(tmp_path, None, None, "")
    assert shelf.trust().keys == {}
    key = shelf.signer()
    assert list(shelf.trust().keys) == [key.key_id]
    assert shelf.signer().key_id == key.key_id


def test_a_key_that_was_named_is_never_made(tmp_path: Path) -> None:
    shelf = Shelf.at(tmp_path, None, tmp_path / "there.pem", "")
    with pytest.raises(BusyError, match=r"there\.pem"):
        shelf.signer()
    assert not (tmp_path / "there.pem").exists()


def test_keys_of_the_settings_are_trusted(tmp_path: Path, key: SigningKey) -> None:
    shelf = Shelf.at(tmp_path, None, None, f" {key.public} , ")
    assert list(shelf.trust().keys) == [key.key_id]
