import re

import pytest

from alliance.serve.report.assets import asset, asset_names, bundled

MODULES = [name for name in asset_names() if name.endswith(".js")]


def test_the_files_are_there() -> None:
    assert {"timeline.js", "report.js", "overview.js", "timeline.css"} <= set(asset_names())
    with pytest.raises(KeyError):
        asset("../__init__.py")


@pytest.mark.parametrize("name", MODULES)
def test_imports_and_exports_have_the_form_that_can_be_joined(name: str) -> None:
    source = asset(name)
    for line in source.splitlines():
        if re.match(r"\s*(import|export)\b", line):
            assert re.fullmatch(
                r'import \{[^}]*\} from "\./[a-z_]+\.js";|export (function|const|class) .*', line
            ), line


@pytest.mark.parametrize("name", ["report.js", "overview.js"])
def test_joined_modules_declare_each_name_once(name: str) -> None:
    joined = bundled(name)
    assert not re.search(r"^(import|export)\b", joined, re.MULTILINE)
    names = re.findall(r"^(?:function|const|let|class) (\w+)", joined, re.MULTILINE)
    assert len(names) == len(set(names)) > 0


def test_what_is_needed_comes_first() -> None:
    joined = bundled("report.js")
    assert joined.index("class SessionData") < joined.index("function mountStrip")
    assert joined.index("function mountStrip") < joined.index("function mountTimeline")
