"""Keys, and pages of other sites."""

import json
import socket as socket_module
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from alliance.serve.http.keys import Scope
from alliance.serve.http.keys_file import KeysFile
from alliance.serve.live_client import LiveClient, LiveProblemError

MARKER = "Zyxwq"


@pytest.fixture
def keys(tmp_path: Path) -> KeysFile:
    return KeysFile(tmp_path / "keys.json")


def test_keys(keys: KeysFile, dial: Any, live_serving: Any) -> None:
    _, mine = keys.add(group="a", scopes=[Scope.LABEL])
    key, other = keys.add(group="a", scopes=[Scope.LABEL])
    _, reader = keys.add(group="a", scopes=[Scope.READ])
    with live_serving(keys=keys) as service:
        with dial(service, Authorization=f"Bearer {mine}") as socket:
            token = socket.ask(type="start")["token"]
        # The first message may carry the key; nobody else's resumes the session.
        for key_sent, status, code in (
            (other, 404, 4404),
            (reader, 403, 4403),
            (None, 401, 4401),
            (f"alliance_{MARKER}", 401, 4401),
        ):
            with dial(service) as socket:
                refused = socket.ask(type="resume", token=token, last_seq=0, key=key_sent)
                assert refused["problem"]["status"] == status
                assert MARKER not in json.dumps(refused)
                assert socket.closed() == code
        with dial(service) as socket:
            assert socket.ask(type="resume", token=token, last_seq=0, key=mine)["seq"] == 0
        with pytest.raises(InvalidStatus) as caught:
            dial(service, Authorization=f"Bearer {mine}x")
        assert caught.value.response.status_code == 401
        assert json.loads(caught.value.response.body or b"")["status"] == 401
        # A key that is revoked stops in the middle of a session.
        with dial(service, Authorization=f"Bearer {other}") as socket:
            socket.ask(type="start")
            socket.turn(1)
            assert socket.answer()["type"] == "labelled"
            keys.revoke(key.id)
            socket.turn(2)
            assert socket.answer()["problem"]["status"] == 401
            assert socket.closed() == 4401
        with (
            pytest.raises(LiveProblemError, match="401"),
            LiveClient(service.url, key=other),
        ):
            pass
        with LiveClient(service.url, key=mine) as live:
            assert live.turn("client", "so").newest.index == 0


def test_pages_of_other_sites_are_kept_out(service: Any, dial: Any) -> None:
    with pytest.raises(InvalidStatus) as caught:
        dial(service, Origin="https://elsewhere.example")
    assert caught.value.response.status_code == 403
    assert b"elsewhere" not in (caught.value.response.body or b"")
    with dial(service, Origin=service.url) as socket:
        assert socket.ask(type="start")["type"] == "started"


def test_a_page_that_rebinds_its_name_is_kept_out(service: Any) -> None:
    handshake = (
        "GET /v1/live HTTP/1.1\r\nHost: elsewhere.example\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
        "Sec-WebSocket-Version: 13\r\n\r\n"
    )
    port = int(service.url.rpartition(":")[2])
    with socket_module.create_connection(("127.0.0.1", port), 20) as plain:
        plain.sendall(handshake.encode())
        assert plain.recv(100).startswith(b"HTTP/1.1 421 ")
