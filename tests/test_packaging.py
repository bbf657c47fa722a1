"""What lies in the folders is in the wheel: an undeclared folder works only where it is edited."""

import fnmatch
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
SETUPTOOLS = PYPROJECT["tool"]["setuptools"]
COMMANDS = PYPROJECT["project"]["entry-points"]["alliance.commands"]
FOLDERS = SETUPTOOLS["package-dir"].values()
FILES = [
    path.relative_to(ROOT)
    for folder in FOLDERS
    for path in sorted((ROOT / folder).rglob("*"))
    if path.is_file()
    and not any(part.startswith(".") or part == "__pycache__" for part in path.parts)
]


def package_of(path: Path) -> str:
    return ".".join(("alliance", *path.parent.parts))


@pytest.mark.parametrize("path", FILES, ids=str)
def test_every_file_is_declared(path: Path) -> None:
    package = package_of(path)
    assert package in SETUPTOOLS["packages"]
    if path.suffix != ".py":
        patterns = SETUPTOOLS["package-data"].get(package, [])
        assert any(fnmatch.fnmatch(path.name, pattern) for pattern in patterns)


@pytest.mark.parametrize("package", SETUPTOOLS["packages"])
def test_every_declared_package_has_files(package: str) -> None:
    assert package in {package_of(path) for path in FILES}


def test_every_folder_maps_to_its_package() -> None:
    assert SETUPTOOLS["package-dir"] == {f"alliance.{name}": name for name in FOLDERS}
    assert not (ROOT / "alliance").exists()


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_can_be_loaded(name: str) -> None:
    assert EntryPoint(name, COMMANDS[name], "alliance.commands").load() is not None


def test_the_commands_of_the_contract_are_registered() -> None:
    assert {"label", "timeline", "train", "evaluate", "corpora"} <= COMMANDS.keys()
