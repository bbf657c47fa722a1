"""Who is let in: sources, keys, scopes, rates, logins."""

import hmac
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from alliance.model.errors import ConfigError
from alliance.serve.http.access import Access
from alliance.serve.http.keys import ApiKey, Scope, parse_token, verify
from alliance.serve.http.keys_file import KeysFile
from alliance.serve.http.settings import Settings
from alliance.serve.store.store import Store

BODY = {"session": {"turns": [{"speaker": "T", "text": "Hi."}]}}


@pytest.fixture
def ring(tmp_path: Path) -> KeysFile:
    return KeysFile(tmp_path / "keys.json")


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def make(ring: KeysFile, *scopes: Scope, group: str = "g") -> tuple[ApiKey, str]:
    return ring.add(group=group, scopes=scopes or (Scope.LABEL,))


# -- sources


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8642", "", "127.0.0.1.evil.com"])
def test_a_rebound_name_is_refused(client: TestClient, host: str) -> None:
    response = client.post("/v1/timelines", json=BODY, headers={"Host": host})
    assert response.status_code == 421
    assert response.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:8642", "[::1]:8642"])
def test_the_names_of_loopback_are_let_in(client: TestClient, host: str) -> None:
    assert client.get("/readyz", headers={"Host": host}).status_code == 200


def test_a_name_can_be_allowed(calling: Callable[..., TestClient]) -> None:
    client = calling(allowed_hosts=("clinic.example",))
    assert client.get("/readyz", headers={"Host": "clinic.example"}).status_code == 200
    assert client.get("/readyz", headers={"Host": "other.example"}).status_code == 421


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://localhost:9999"])
def test_pages_of_other_sites_are_refused(client: TestClient, origin: str) -> None:
    response = client.post("/v1/timelines", json=BODY, headers={"Origin": origin})
    assert response.status_code == 403
    assert "access-control-allow-origin" not in response.headers


def test_a_page_of_this_server_is_let_in(client: TestClient) -> None:
    response = client.post("/v1/timelines", json=BODY, headers={"Origin": "http://localhost"})
    assert response.status_code == 200


def test_sockets_of_other_sites_are_refused(client: TestClient) -> None:
    for headers in ({"Origin": "http://evil.example"}, {"Host": "evil.example"}):
        with (
            pytest.raises(WebSocketDisconnect),
            client.websocket_connect("/v1/live", headers=headers),
        ):
            pass


def test_cors_is_for_those_named(calling: Callable[..., TestClient]) -> None:
    client = calling(cors_origins=("https://page.example",))
    ask = {
        "Origin": "https://page.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type",
    }
    allowed = client.options("/v1/timelines", headers=ask)
    assert allowed.headers["access-control-allow-origin"] == "https://page.example"
    refused = client.options("/v1/timelines", headers={**ask, "Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in refused.headers
    response = client.post("/v1/timelines", json=BODY, headers={"Origin": "https://page.example"})
    assert response.status_code == 200
    assert response.headers["access-control-allow-origin"] == "https://page.example"


# -- keys


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "clinic.example"])
def test_no_other_address_without_a_key(host: str, ring: KeysFile) -> None:
    settings = Settings(host=host)
    said = "expected an API key before listening on .*alliance keys add"
    with pytest.raises(ConfigError, match=said):
        Access(settings, None)
    with pytest.raises(ConfigError, match=said):
        Access(settings, ring)
    key, _ = make(ring)
    assert Access(settings, ring).asks_for_keys
    with pytest.raises(ConfigError, match=said):
        Access(Settings(host=host, require_keys=False), ring)
    ring.revoke(key.id)
    with pytest.raises(ConfigError, match=said):
        Access(settings, ring)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.8.0.3"])
def test_loopback_asks_for_keys_once_some_were_made(host: str, ring: KeysFile) -> None:
    settings = Settings(host=host)
    assert not Access(settings, None).asks_for_keys
    assert not Access(settings, ring).asks_for_keys
    key, _ = make(ring)
    ring.revoke(key.id)
    assert Access(settings, ring).asks_for_keys
    assert not Access(Settings(host=host, require_keys=False), ring).asks_for_keys
    assert Access(Settings(host=host, require_keys=True), None).asks_for_keys


def paths(client: TestClient) -> list[tuple[str, str]]:
    app: Any = client.app
    found = [
        (method.upper(), path)
        for path, operations in app.openapi()["paths"].items()
        for method in operations
    ]
    assert len(found) >= 6
    return [*found, ("GET", "/docs"), ("GET", "/openapi.json"), ("GET", "/nothing")]


def test_without_a_key_only_livez_answers(
    calling: Callable[..., TestClient], ring: KeysFile, store: Store
) -> None:
    make(ring)
    client = calling(host="0.0.0.0", keys=ring, store=store)
    assert len(paths(client)) > 16
    for method, path in paths(client):
        for headers in ({}, bearer("zork"), {"Authorization": "Basic zork"}, {"Cookie": "a=b"}):
            response = client.request(method, path, headers=headers)
            expected = 200 if path == "/livez" else 422 if path == "/v1/login" else 401
            assert response.status_code == expected, (method, path)
            if expected == 401:
                assert response.headers["www-authenticate"] == "Bearer"
                assert "zork" not in response.text


def test_keys_have_scopes(calling: Callable[..., TestClient], ring: KeysFile) -> None:
    _, labels = make(ring, Scope.LABEL)
    _, reads = make(ring, Scope.READ)
    _, rules = make(ring, Scope.ADMIN)
    client = calling(keys=ring)
    for token, label, metrics in ((labels, 200, 403), (reads, 403, 403), (rules, 200, 200)):
        response = client.post("/v1/timelines", json=BODY, headers=bearer(token))
        assert response.status_code == label
        assert client.get("/metrics", headers=bearer(token)).status_code == metrics
        assert client.get("/readyz", headers=bearer(token)).status_code == 200


def test_a_revoked_key_stops_at_once(calling: Callable[..., TestClient], ring: KeysFile) -> None:
    key, token = make(ring)
    _, other = make(ring)
    client = calling(keys=ring)
    assert client.get("/readyz", headers=bearer(token)).status_code == 200
    # Another process revokes it.
    assert KeysFile(ring._path).revoke(key.id)
    assert client.get("/readyz", headers=bearer(token)).status_code == 401
    assert client.get("/readyz", headers=bearer(other)).status_code == 200


def test_each_key_has_its_own_rate(calling: Callable[..., TestClient], ring: KeysFile) -> None:
    (_, one), (_, two) = make(ring), make(ring)
    client = calling(keys=ring, rate_limit="3/hour")
    codes = [client.get("/readyz", headers=bearer(one)).status_code for _ in range(4)]
    assert codes == [200, 200, 200, 429]
    response = client.get("/readyz", headers=bearer(one))
    assert response.headers["content-type"] == "application/problem+json"
    assert 1 <= int(response.headers["retry-after"]) <= 3600
    assert client.get("/readyz", headers=bearer(two)).status_code == 200


def test_a_rate_that_cannot_be_read_is_told() -> None:
    with pytest.raises(ConfigError, match="expected a rate such as 600/minute"):
        Access(Settings(rate_limit="often"), None)


# -- logins


def test_a_page_logs_in_and_out(calling: Callable[..., TestClient], ring: KeysFile) -> None:
    key, token = make(ring, Scope.LABEL)
    client = calling(keys=ring)
    wrong = client.post("/v1/login", json={"key": token[:-1] + "~"})
    assert wrong.status_code == 401
    assert "set-cookie" not in wrong.headers
    response = client.post("/v1/login", json={"key": token})
    assert response.status_code == 200, response.text
    cookie = response.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert token not in response.text + cookie
    login = response.json()
    assert (login["key_id"], login["group"], login["scopes"]) == (key.id, "g", ["label"])
    assert client.get("/readyz").status_code == 200
    refused = client.post("/v1/timelines", json=BODY)
    assert refused.status_code == 403
    assert refused.json()["title"] == "CSRF token missing"
    csrf = {"X-CSRF-Token": login["csrf_token"]}
    assert client.post("/v1/timelines", json=BODY, headers=csrf).status_code == 200
    other = {**csrf, "Origin": "http://evil.example"}
    assert client.post("/v1/timelines", json=BODY, headers=other).status_code == 403
    stolen = client.cookies["alliance_login"]
    assert client.post("/v1/logout").status_code == 403
    assert client.post("/v1/logout", headers=csrf).status_code == 204
    client.cookies.set("alliance_login", stolen)
    assert client.get("/readyz").status_code == 401


def test_a_login_ends_with_its_key(calling: Callable[..., TestClient], ring: KeysFile) -> None:
    key, token = make(ring)
    client = calling(keys=ring)
    client.post("/v1/login", json={"key": token})
    assert client.get("/readyz").status_code == 200
    ring.revoke(key.id)
    assert client.get("/readyz").status_code == 401


def test_the_cookie_can_be_for_tls_alone(
    calling: Callable[..., TestClient], ring: KeysFile
) -> None:
    _, token = make(ring)
    client = calling(keys=ring, secure_cookie=True)
    assert "Secure" in client.post("/v1/login", json={"key": token}).headers["set-cookie"]


def test_without_keys_a_login_asks_for_nothing(client: TestClient) -> None:
    login = client.post("/v1/login", json={"key": "anything"})
    assert login.status_code == 200
    assert "set-cookie" not in login.headers
    assert login.json()["group"] == "local"


# -- the ring


def test_the_file_holds_no_keys_and_is_its_owners(ring: KeysFile) -> None:
    assert ring.all() == ()
    assert ring.get("a") is None
    key, token = make(ring, Scope.LABEL, Scope.READ)
    text = ring._path.read_text(encoding="utf-8")
    _, secret = parse_token(token) or ("", "")
    assert len(secret) >= 43
    assert secret not in text
    assert ring._path.stat().st_mode & 0o077 == 0
    assert KeysFile(ring._path).all() == (key,)
    assert verify(ring, token) == key
    assert not ring.revoke("nobody")
    assert ring.revoke(key.id)
    assert ring.revoke(key.id)
    assert verify(ring, token) is None
    (kept,) = ring.all()
    assert kept.revoked is not None


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("secret", ["", "zork", "right"])
def test_a_secret_is_compared_in_one_time_whatever_is_wrong(
    ring: KeysFile, monkeypatch: pytest.MonkeyPatch, known: bool, secret: str
) -> None:
    key, whole = make(ring)
    compared: list[tuple[str, str]] = []
    compare = hmac.compare_digest

    def noting(one: str, other: str) -> bool:
        compared.append((one, other))
        return compare(one, other)

    monkeypatch.setattr(hmac, "compare_digest", noting)
    said = (parse_token(whole) or ("", ""))[1] if secret == "right" else secret
    found = verify(ring, f"alliance_{key.id if known else '0' * 12}_{said}")
    assert (found is not None) == (known and secret == "right")
    # Once and over all of two digests, for an id that there is and for one that there is not.
    assert [(len(one), len(other)) for one, other in compared] == [(64, 64)]


@pytest.mark.parametrize(
    "token",
    ["", "alliance", "alliance_", "alliance__", "zork", "alliance_{id}_", "x_{id}_{secret}"],
)
def test_what_is_not_a_key_opens_nothing(ring: KeysFile, token: str) -> None:
    key, whole = make(ring)
    _, secret = parse_token(whole) or ("", "")
    assert verify(ring, token.format(id=key.id, secret=secret)) is None


def test_another_file_is_not_taken_for_keys(tmp_path: Path) -> None:
    path = tmp_path / "k.json"
    for content in ("zork", "[]", json.dumps({"format": 9, "keys": []})):
        path.write_text(content, encoding="utf-8")
        with pytest.raises(ConfigError, match="expected a file of API keys"):
            KeysFile(path).all()
