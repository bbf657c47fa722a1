"""How much live sessions may take."""

from dataclasses import dataclass

from alliance.serve.live import MAX_CHARACTERS, MAX_TURNS

__all__ = ["LiveLimits"]


@dataclass(frozen=True, slots=True)
class LiveLimits:
    """How much live sessions may take.

    Attributes:
        sessions: sessions held at once, those that wait for a lost client included.
        resume_seconds: how long a session waits for a lost client.
        turns: turns of one session.
        characters: characters of one session's turns.
        messages: numbered messages of one session.
        message_bytes: bytes of one message.
        messages_per_second: a client's messages are read no faster, on average.
        burst: so many may come at once.
        first_seconds: how long a connection may take to say what it wants.
        idle_seconds: how long a client may be silent.
        send_seconds: how long a client may take to read an answer.
        patience_seconds: how long a turn waits for room in the queue.
    """

    sessions: int = 200
    resume_seconds: float = 120.0
    turns: int = MAX_TURNS
    characters: int = MAX_CHARACTERS
    messages: int = 4 * MAX_TURNS
    message_bytes: int = 128 << 10
    messages_per_second: float = 20.0
    burst: int = 40
    first_seconds: float = 10.0
    idle_seconds: float = 1800.0
    send_seconds: float = 30.0
    patience_seconds: float = 10.0
