"""serve -> model <- training, and nothing the other way."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LAYERS = ("model", "training", "serve")
CORE = {"numpy", "onnxruntime", "tokenizers", "alliance"}
# What the readers of model/formats/ may import, inside the function that needs it: [formats] extra.
FORMATS_EXTRA = {"docx", "openpyxl", "pyarrow", "pympi", "praatio", "pylangacq"}
FORBIDDEN = {
    "model": ("alliance.training", "alliance.serve"),
    "training": ("alliance.serve",),
    "serve": ("alliance.training",),
}
MODULES = [path for layer in LAYERS for path in sorted((ROOT / layer).rglob("*.py"))]


def imported(source: str, *, top_level: bool = False) -> Iterator[str]:
    tree = ast.parse(source)
    for node in tree.body if top_level else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports break across the folders"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def below(name: str, packages: tuple[str, ...]) -> bool:
    return any(name == package or name.startswith(package + ".") for package in packages)


def test_every_layer_is_looked_at() -> None:
    assert {path.relative_to(ROOT).parts[0] for path in MODULES} == set(LAYERS)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_respect_the_layers(path: Path) -> None:
    layer = path.relative_to(ROOT).parts[0]
    source = path.read_text(encoding="utf-8")
    names = list(imported(source))
    assert [name for name in names if below(name, FORBIDDEN[layer])] == []
    assert [name for name in names if below(name, LAYERS)] == [], "import alliance.… instead"
    if layer == "model":
        tops = {name.partition(".")[0] for name in names}
        extra = FORMATS_EXTRA if "formats" in path.parts else set()
        assert tops - CORE - extra - sys.stdlib_module_names == set()
        at_start = {name.partition(".")[0] for name in imported(source, top_level=True)}
        assert at_start & FORMATS_EXTRA == set(), "import it where it is needed"


def test_the_reader_of_imports_sees_what_it_should() -> None:
    source = "import alliance.serve.main\ndef f():\n    from alliance.training import base\n"
    assert list(imported(source)) == ["alliance.serve.main", "alliance.training.base"]
    assert below("alliance.serve.main", ("alliance.serve",))
    assert not below("alliance.server", ("alliance.serve",))
