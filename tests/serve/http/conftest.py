from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from alliance.model.classifier import RuptureClassifier
from alliance.serve.http.app import create_app
from alliance.serve.http.server import in_thread
from alliance.serve.http.settings import Settings
from alliance.serve.store.cipher import new_key
from alliance.serve.store.store import Store


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in os.environ:
        if name.startswith("ALLIANCE_"):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def classifier(stub: Path) -> RuptureClassifier:
    return RuptureClassifier.load(stub, threads=1)


@pytest.fixture
def calling(classifier: RuptureClassifier) -> Iterator[Callable[..., TestClient]]:
    """Clients of applications made with the settings given, without a network."""
    with ExitStack() as stack:

        def make(
            *, keys: Any = None, model: Any = classifier, store: Any = None, **settings: Any
        ) -> TestClient:
            app = create_app(Settings(workers=2, **settings), model, store, keys=keys)
            client = TestClient(app, base_url="http://localhost", raise_server_exceptions=False)
            return stack.enter_context(client)

        yield make


@pytest.fixture(scope="session")
def client(classifier: RuptureClassifier) -> Iterator[TestClient]:
    """A client of the service as it is by default; all tests share it."""
    app = create_app(Settings(workers=2), classifier)
    with TestClient(app, base_url="http://localhost", raise_server_exceptions=False) as client:
        yield client


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store that all tests share."""
    folder = tmp_path_factory.mktemp("store")
    store = Store.open(f"sqlite:///{folder / 'store.db'}", key=new_key())
    yield store
    store.close()


@pytest.fixture(scope="session")
def storing(classifier: RuptureClassifier, store: Store) -> Iterator[TestClient]:
    """A client of a service with a store; all tests share it."""
    app = create_app(Settings(workers=2), classifier, store)
    with TestClient(app, base_url="http://localhost", raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def serving(classifier: RuptureClassifier) -> Iterator[Callable[..., str]]:
    """Addresses of real servers, each in a thread."""
    with ExitStack() as stack:

        def start(*, keys: Any = None, model: Any = classifier, **settings: Any) -> str:
            made = Settings(workers=2, port=0, **settings)
            return stack.enter_context(in_thread(create_app(made, model, keys=keys), made))

        yield start
