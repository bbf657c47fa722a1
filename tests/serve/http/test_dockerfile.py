"""The Dockerfile's own commands, outside a container: its user, no home, nothing writable.

Building the image needs Docker and a network; what can go wrong without them is tried here.
"""

import json
import os
import re
import shlex
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from alliance.serve.http.keys import Scope
from alliance.serve.http.keys_file import KeysFile

ROOT = Path(__file__).parents[3]
LINES = re.sub(r"\\\n\s*", "", (ROOT / "Dockerfile").read_text(encoding="utf-8")).splitlines()
SPAWNED = "from alliance.serve.main import main; main()"


def instructions(name: str) -> list[str]:
    return [line.split(" ", 1)[1] for line in LINES if line.startswith(f"{name} ")]


def settings() -> dict[str, str]:
    """What ENV sets, without what only finds the program."""
    pairs = (word.partition("=") for word in shlex.split(" ".join(instructions("ENV"))))
    return {name: value for name, _, value in pairs if name != "PATH"}


def test_all_that_is_installed_is_copied() -> None:
    copied = {word for line in instructions("COPY") for word in line.split()[:-1]}
    for name in copied - {"--from=build", "/opt/alliance"}:
        assert (ROOT / name).exists(), name
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    folders = project["tool"]["setuptools"]["package-dir"].values()
    told = {project["project"]["readme"], *project["project"]["license-files"]}
    assert {"pyproject.toml", *folders, *told} <= copied
    sent = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert {f"!{name}" for name in copied if not name.startswith(("-", "/"))} <= set(sent)


def test_it_runs_as_nobody_in_particular() -> None:
    assert LINES.index("USER 10001") < LINES.index('ENTRYPOINT ["alliance", "serve"]')
    (install,) = [line for line in instructions("RUN") if "pip install" in line]
    assert "'.[serve]'" in install
    assert instructions("FROM")[-1].startswith("python:3.")
    assert settings()["ALLIANCE_HOST"] == "0.0.0.0"  # with keys, or it does not start


@pytest.fixture
def prefix() -> list[str]:
    """Words that run a command as the image does, as far as this machine lets us."""
    if sys.platform != "linux" or os.getuid() != 0:
        return []  # an unprivileged user already
    # A namespace of its own in which the whole file system is read-only.
    script = 'mount --make-rprivate / && mount -o remount,bind,ro / && exec "$@"'
    alone = ["unshare", "--mount", "--", "sh", "-c", script, "sh"]
    if subprocess.run([*alone, "true"], capture_output=True, check=False).returncode:
        alone = []
    return [*alone, "setpriv", "--reuid=10001", "--regid=10001", "--clear-groups", "--"]


@pytest.fixture
def keys(tmp_path: Path) -> Iterator[Path]:
    """A file of keys that the image's user may read, and its folder's parents, too."""
    path = tmp_path / "keys.json"
    KeysFile(path).add(group="g", scopes=[Scope.LABEL])
    path.chmod(0o644)
    opened = [folder for folder in (tmp_path, *tmp_path.parents[:2]) if folder.owner() == "root"]
    modes = [folder.stat().st_mode for folder in opened]
    for folder in opened:
        folder.chmod(0o755)
    yield path
    for folder, mode in zip(opened, modes, strict=True):
        folder.chmod(mode)


@pytest.mark.skipif(sys.platform == "win32", reason="the image is Linux")
def test_the_entry_point_serves_and_the_health_check_passes(
    prefix: list[str], keys: Path, stub: Path
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        **settings(),
        "PATH": os.environ["PATH"],
        "ALLIANCE_KEYS_FILE": str(keys),
        "ALLIANCE_PORT": str(port),
        "ALLIANCE_MODEL": str(stub),
        "TMPDIR": "/nowhere",
    }
    program, *words = json.loads(instructions("ENTRYPOINT")[0])
    assert program == "alliance"
    readable = subprocess.run(
        [*prefix, sys.executable, "-c", "import alliance.serve.main"],
        capture_output=True,
        check=False,
    )
    if readable.returncode:
        pytest.skip("this Python cannot be read by another user")
    server = subprocess.Popen(
        [*prefix, sys.executable, "-c", SPAWNED, *words],
        env=environment,
        cwd="/",
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    check = instructions("HEALTHCHECK")[0].partition("CMD ")[2]
    python, *arguments = json.loads(check)
    assert python == "python"
    try:
        assert subprocess.run([sys.executable, *arguments], env=environment, check=False).returncode
        for _ in range(240):
            assert server.poll() is None, server.stderr and server.stderr.read().decode()
            healthy = subprocess.run(
                [*prefix, sys.executable, *arguments],
                env=environment,
                capture_output=True,
                check=False,
            )
            if healthy.returncode == 0:
                break
            time.sleep(0.5)
        else:
            raise AssertionError("it never becomes healthy")
        server.terminate()
        _, said = server.communicate(timeout=120)
    finally:
        server.kill()
        server.wait()
    assert server.returncode == 143
    assert b"Traceback" not in said
