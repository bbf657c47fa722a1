"""A client of live sessions: ``/v1/live`` as method calls, with dropped connections mended.

>>> with LiveClient("http://127.0.0.1:8642", roles={"Anna": "client"}) as live:  # doctest: +SKIP
...     answer = live.turn("T", "How has the week been?")
...     answer = live.turn("Anna", "Fine, I gue")
...     answer = live.revise("Anna", "Fine, I guess.")
...     print(answer.newest.label, answer.episodes)
...     print(live.catch_up().revisions)
...     timeline = live.end()
"""

import json
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Final, Self

from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.sync.client import ClientConnection, connect

from alliance.model.episodes import RuptureEpisode
from alliance.model.labelled import LabelledTurn, Purpose
from alliance.model.timeline import Timeline
from alliance.serve.client import ServiceError
from alliance.serve.live import LiveAnswer, LiveRevision

__all__ = ["LiveClient", "LiveProblemError"]

_MAX_ANSWER: Final = 64 << 20  # bytes; the timeline of a long session is some megabytes
_BUSY: Final = 503


class LiveProblemError(ServiceError):
    """The server could not do what was asked; as :class:`~alliance.serve.client.ServiceError`.

    Attributes:
        retry_after: seconds after which to try again, where that makes sense.
    """

    def __init__(self, problem: Mapping[str, Any], retry_after: int | None = None) -> None:
        super().__init__(problem)
        self.retry_after = retry_after


class LiveClient:
    """One live session, for one thread. Use it in a ``with`` statement.

    A lost connection is made again and the session resumed; no turn is lost or counted twice.
    Revisions of earlier turns come when the server has looked at the whole: what has come is taken
    in by every call, and :meth:`catch_up` waits for the rest.

    Args:
        url: where the server is, e.g. ``http://127.0.0.1:8642``.
        key: an API key, if the server asks for one.
        session_id: the identifier in the timeline.
        roles: speaker's name to role (therapist, client, other).
        purpose: chooses the decision thresholds.
        include_text: whether answers repeat what was said; else their turns have an empty text.
        timeout: seconds to wait for a connection or an answer.
        reconnects: how often in a row a lost connection is made again.

    Raises:
        LiveProblemError: from any method, if the server refuses what was asked.
        OSError: from any method, if the server cannot be reached (any more).
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8642",
        *,
        key: str | None = None,
        session_id: str | None = None,
        roles: Mapping[str, str] | None = None,
        purpose: Purpose = Purpose.RESEARCH,
        include_text: bool = False,
        timeout: float = 60.0,
        reconnects: int = 5,
    ) -> None:
        scheme, _, rest = url.rstrip("/").partition("://")
        self._url = f"{'wss' if scheme in ('https', 'wss') else 'ws'}://{rest}/v1/live"
        self._headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        self._start: dict[str, Any] = {
            "type": "start",
            "roles": dict(roles or {}),
            "purpose": purpose.value,
            "include_text": include_text,
        }
        if session_id is not None:
            self._start["id"] = session_id
        self._timeout = timeout
        self._reconnects = reconnects
        self._token: str | None = None
        self._answered = 0
        self._said = 0  # the last message that the server has to look at
        self._revised = 0
        self._revisions: dict[int, LabelledTurn] = {}  # since they were last asked for
        self._turns: list[LabelledTurn] = []
        self._episodes: tuple[RuptureEpisode, ...] = ()
        self._connection: ClientConnection | None = None
        self._closing = ExitStack()

    def __enter__(self) -> Self:
        """Start the session."""
        self._open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connection; a session that was not ended is forgotten by the server in time."""
        self._close()

    def turn(
        self,
        speaker: str,
        text: str,
        *,
        start_ms: int | None = None,
        end_ms: int | None = None,
        utterance_id: str = "",
    ) -> LiveAnswer:
        """Send the next turn; its answer, as soon as it is there."""
        return self._say("turn", _turn(speaker, text, start_ms, end_ms, utterance_id))

    def revise(
        self,
        speaker: str,
        text: str,
        *,
        start_ms: int | None = None,
        end_ms: int | None = None,
        utterance_id: str = "",
    ) -> LiveAnswer:
        """Send the newest turn once more, whole, as it should have been."""
        return self._say("revise", _turn(speaker, text, start_ms, end_ms, utterance_id))

    @property
    def turns(self) -> tuple[LabelledTurn, ...]:
        """The turns so far, as the server last told of them; after :meth:`catch_up` their labels
        are those of the full view.
        """
        return tuple(self._turns)

    def catch_up(self) -> LiveRevision:
        """Wait until the server has looked at everything said so far.

        Returns:
            The turns that were revised since this was last called, as they are now, and the
            episodes.
        """
        if self._revised < self._said:
            self._until(lambda: self._revised >= self._said)
        revisions = tuple(turn for _, turn in sorted(self._revisions.items()))
        self._revisions.clear()
        return LiveRevision(self._revised, revisions, self._episodes)

    def end(self) -> Timeline:
        """End the session; its timeline."""
        timeline = Timeline.from_dict(self._ask("end", {})["timeline"])
        self._close()
        return timeline

    def _say(self, kind: str, content: Mapping[str, Any]) -> LiveAnswer:
        message = self._ask(kind, content)
        newest = LabelledTurn.from_dict(message["turn"])
        self._said = int(message["seq"])
        self._turns[newest.index :] = [newest]
        self._revisions.pop(newest.index, None)
        self._episodes = _episodes(message)
        return LiveAnswer(self._said, newest, self._episodes)

    def _ask(self, kind: str, content: Mapping[str, Any]) -> dict[str, Any]:
        seq = self._answered + 1
        text = json.dumps({"type": kind, "seq": seq, **content}, ensure_ascii=False)
        answer = self._until(lambda: self._answered >= seq, seq, text)
        assert answer is not None
        if answer["type"] == "problem":
            raise LiveProblemError(answer["problem"], answer.get("retry_after"))
        return answer

    def _until(
        self, done: Callable[[], bool], seq: int = 0, text: str = ""
    ) -> dict[str, Any] | None:
        """Hear the server, again after a lost connection, until ``done``.

        Args:
            done: whether enough was heard.
            seq: the number of a message to send; 0 for none.
            text: the message.

        Returns:
            The last answer to a message, if one came.
        """
        answer = None
        failures = 0
        taken = 0  # the last message that the server is known to have
        while not done():
            try:
                if self._connection is None:
                    taken = self._open()
                if taken < seq:
                    self._send(text)
                    taken = seq
                message = self._receive()
            except (OSError, ConnectionClosed, TimeoutError, _BusyError) as error:
                self._close()
                failures += 1
                if failures > self._reconnects:
                    raise _unreachable(error) from error
                time.sleep(_pause(error, failures))
                taken = 0
                continue
            if message["type"] == "revised":
                self._revise(message)
            else:
                self._answered = message["seq"]
                answer = message
        return answer

    def _revise(self, message: Mapping[str, Any]) -> None:
        self._revised = message["seq"]
        self._episodes = _episodes(message)
        for data in message["revisions"]:
            turn = LabelledTurn.from_dict(data)
            self._turns[turn.index] = turn
            self._revisions[turn.index] = turn

    def _open(self) -> int:
        """Connect, and start or resume; how many messages the server has taken."""
        try:
            self._connection = self._closing.enter_context(
                connect(
                    self._url,
                    additional_headers=self._headers,
                    open_timeout=self._timeout,
                    max_size=_MAX_ANSWER,
                    proxy=None,  # transcripts go to the server that was named, by no detour
                )
            )
        except InvalidStatus as error:
            raise LiveProblemError(_denied(error)) from error
        except WebSocketException as error:
            raise OSError(f"expected a WebSocket at {self._url}, found none") from error
        first = self._start
        if self._token is not None:
            first = {
                "type": "resume",
                "token": self._token,
                "last_seq": self._answered,
                "last_revised": self._revised,
            }
        self._send(json.dumps(first, ensure_ascii=False))
        opened = self._receive()
        self._token = opened.get("token", self._token)
        return int(opened["seq"])

    def _send(self, text: str) -> None:
        assert self._connection is not None
        self._connection.send(text)

    def _receive(self) -> dict[str, Any]:
        """The next message; a problem of the connection is raised."""
        assert self._connection is not None
        message: dict[str, Any] = json.loads(self._connection.recv(self._timeout))
        if message["type"] == "problem" and message["seq"] is None:
            problem = LiveProblemError(message["problem"], message.get("retry_after"))
            if problem.status == _BUSY and self._token is not None:
                raise _BusyError(problem)
            self._close()
            raise problem
        return message

    def _close(self) -> None:
        self._connection = None
        self._closing.close()


class _BusyError(Exception):
    """The server has no room for the turn just now."""

    def __init__(self, problem: LiveProblemError) -> None:
        super().__init__(str(problem))
        self.problem = problem


def _pause(error: Exception, failures: int) -> float:
    if isinstance(error, _BusyError) and error.problem.retry_after is not None:
        return float(error.problem.retry_after)
    return float(min(5.0, 0.1 * 2**failures))


def _unreachable(error: Exception) -> Exception:
    if isinstance(error, _BusyError):
        return error.problem
    return ConnectionError("expected the server to answer, found the connection lost, repeatedly")


def _denied(error: InvalidStatus) -> Mapping[str, Any]:
    status = error.response.status_code
    try:
        problem = json.loads(error.response.body or b"")
    except ValueError:
        problem = None
    return problem if isinstance(problem, dict) else {"status": status, "title": "Refused"}


def _turn(
    speaker: str, text: str, start_ms: int | None, end_ms: int | None, utterance_id: str
) -> dict[str, Any]:
    return {
        "speaker": speaker,
        "text": text,
        "start_ms": start_ms,
        "end_ms": end_ms,
        "utterance_id": utterance_id,
    }


def _episodes(message: Mapping[str, Any]) -> tuple[RuptureEpisode, ...]:
    return tuple(RuptureEpisode.from_dict(one) for one in message["episodes"])
