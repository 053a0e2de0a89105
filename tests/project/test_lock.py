"""The locks: whole, by hash, fresh, and silent about where anything was downloaded."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tools import setup

LOCKS = ["requirements.lock", "runtime.lock", "build.lock"]
WHERE = ("://", " @ ", "--index", "--extra-index", "--find-links", "--trusted-host")


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_names_no_address(name: str) -> None:
    """A lock holds versions and hashes; where they come from is the installer's own matter."""
    lines = (setup.ROOT / name).read_text(encoding="utf-8").splitlines()
    assert [] == [line for line in lines if any(word in line for word in WHERE)]


@pytest.mark.parametrize("name", LOCKS)
def test_every_package_is_pinned_by_version_and_hash(name: str) -> None:
    """Nothing in a lock is left to the day it is installed on."""
    text = (setup.ROOT / name).read_text(encoding="utf-8")
    for package in pinned(setup.ROOT / name):
        assert "--hash=sha256:" in setup.stanza(text, package), package


@pytest.mark.parametrize("package", ["lxml", "psycopg-binary", "pydantic-core", "cffi", "nh3"])
def test_a_lock_serves_every_platform(package: str) -> None:
    """A lock made from a folder of wheels would know only the hashes of one interpreter."""
    text = (setup.ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert setup.stanza(text, package).count("--hash=") > 10


@pytest.mark.parametrize("name", ["runtime.lock", "requirements.lock"])
def test_a_lock_satisfies_the_project(name: str) -> None:
    """A dependency added or raised in pyproject.toml is in the lock: else `make lock` was forgotten."""
    versions = pinned(setup.ROOT / name)
    for wanted in asked_for(groups=name == "requirements.lock"):
        assert wanted.specifier.contains(versions[canonicalize_name(wanted.name)]), wanted


def test_the_image_gets_the_versions_that_were_tested() -> None:
    """runtime.lock is a part of requirements.lock."""
    tested, shipped = pinned(setup.ROOT / "requirements.lock"), pinned(setup.ROOT / "runtime.lock")
    assert shipped.items() <= tested.items()
    assert "pytest" not in shipped


def test_what_sdists_are_built_with_is_locked() -> None:
    """feedgen has no wheel: the lock says what builds it, and which uv installs it."""
    names = {line.strip() for line in (setup.ROOT / "build.in").read_text(encoding="utf-8").splitlines()}
    assert {"setuptools", "hatchling", "uv"} == names
    assert names <= pinned(setup.ROOT / "build.lock").keys()


def pinned(lock: Path) -> dict[str, str]:
    """Package → version."""
    found = re.findall(r"^([a-z0-9._-]+)==([^ ;\\]+)", lock.read_text(encoding="utf-8"), re.MULTILINE)
    return {canonicalize_name(name): version for name, version in found}


def asked_for(*, groups: bool) -> list[Requirement]:
    """What pyproject.toml asks for, with the groups for tests and checks or without."""
    project = tomllib.loads((setup.ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    words: list[str] = list(project["project"]["dependencies"])
    for group in project["dependency-groups"].values() if groups else ():
        words += group
    return [Requirement(word) for word in words]
