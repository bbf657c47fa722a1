"""The live sessions that the server holds, in memory alone, by the tokens that resume them."""

import asyncio
import hashlib
import secrets

from alliance.serve.http.live_held import Connection, HeldSession
from alliance.serve.http.live_limits import LiveLimits
from alliance.serve.http.problems import Problem

__all__ = ["LiveSessions"]


class LiveSessions:
    """All live sessions of the server, by the digest of their tokens.

    Args:
        limits: how much they may take.
    """

    def __init__(self, limits: LiveLimits) -> None:
        self.limits = limits
        self._held: dict[str, HeldSession] = {}
        self._digests: dict[HeldSession, str] = {}

    def __len__(self) -> int:
        return len(self._held)

    def hold(self, held: HeldSession) -> str:
        """Take a session in; returns the token that resumes it, which nobody can guess.

        Raises:
            Problem: 503 if there are too many.
        """
        if len(self._held) >= self.limits.sessions and not self._forget_an_ended_one():
            raise Problem(
                503,
                "Too many live sessions",
                f"expected at most {self.limits.sessions} live sessions at once, found one more; "
                f"try again when others have ended",
                {"Retry-After": "30"},
            )
        token = secrets.token_urlsafe(32)
        self._held[_digest(token)] = held
        self._digests[held] = _digest(token)
        return token

    def find(self, token: str, *, key_id: str) -> HeldSession:
        """The session of a token.

        Raises:
            Problem: 404 if there is none, not any more, or it is another key's.
        """
        held = self._held.get(_digest(token))
        if held is None or held.key_id != key_id:
            raise Problem(
                404,
                "No such live session",
                f"expected the token of a live session, found none that is held; sessions are "
                f"kept {self.limits.resume_seconds:g} s after a connection is lost: start again",
            )
        return held

    def attach(self, held: HeldSession, connection: Connection) -> None:
        """Let a connection speak for a session; one that did so before is told."""
        if held.expiry is not None:
            held.expiry.cancel()
            held.expiry = None
        before, held.connection = held.connection, connection
        if before is not None:
            before.taken_over()

    def detach(self, held: HeldSession, connection: Connection) -> None:
        """The connection is lost or closed: keep the session for a while, unless another has it."""
        if held.connection is connection:
            held.connection = None
            loop = asyncio.get_running_loop()
            held.expiry = loop.call_later(self.limits.resume_seconds, self.drop, held)

    def drop(self, held: HeldSession) -> None:
        """Forget a session and all that was said in it."""
        if held.expiry is not None:
            held.expiry.cancel()
            held.expiry = None
        held.drop()
        digest = self._digests.pop(held, None)
        if digest is not None:
            del self._held[digest]

    def _forget_an_ended_one(self) -> bool:
        """Ended sessions wait only for clients that did not get the timeline: the oldest goes."""
        for held in self._held.values():
            if held.ended and held.connection is None:
                self.drop(held)
                return True
        return False


def _digest(token: str) -> str:
    # Looked up by digest: how long it takes says nothing of how much of a guess was right.
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
