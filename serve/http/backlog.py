"""How much work waits, how fast it gets done, and how much more is taken on."""

from typing import Final

from alliance.serve.http.problems import Overloaded

__all__ = ["Backlog"]

_ENOUGH: Final = 20  # turns that tell of the speed as much as they ever will
_NEW_SHARE: Final = 0.3  # how much that much work counts against all before it
_UNKNOWN_SECONDS: Final = 5


class Backlog:
    """Turns that wait or are in work.

    What is taken on is bounded twice: by number, and by the time that it is going to take, so that
    whoever is taken is answered before he loses patience. Work longer than that is taken when
    nothing else waits.

    Args:
        turns: turns, at most.
        seconds: seconds of work, at most.
        places: pieces of work that are done at once.
    """

    def __init__(self, *, turns: int, seconds: float, places: int) -> None:
        self._most_turns = turns
        self._most_seconds = seconds
        self._places = places
        self._turn_seconds = 0.0  # of one place, smoothed; 0 until something has been done
        self.turns = 0
        """Turns that wait or are in work."""

    def admit(self, turns: int) -> None:
        """Raise :class:`Overloaded` if ``turns`` more are too many."""
        whole = self.turns + turns
        if self.turns and (whole > self._most_turns or self.seconds(whole) > self._most_seconds):
            raise Overloaded(self.retry_after())

    def seconds(self, turns: int) -> float:
        """How long so many turns are going to take; 0 as long as nothing is known."""
        return turns * self._turn_seconds / self._places

    def done(self, turns: float, seconds: float) -> None:
        """Learn from work that is done.

        Args:
            turns: how many turns it had, on average where it was one piece of several.
            seconds: how long they took in one place, without the time that they waited.
        """
        if not turns or not seconds:
            return
        now = seconds / turns
        if not self._turn_seconds:
            self._turn_seconds = now
            return
        # A session of one turn takes a window like another, and says little of long ones.
        share = _NEW_SHARE * min(1.0, turns / _ENOUGH)
        self._turn_seconds += share * (now - self._turn_seconds)

    def retry_after(self) -> int:
        """Seconds (1-60) after which half of what waits should be done."""
        if not self._turn_seconds:
            return _UNKNOWN_SECONDS
        return int(min(60, max(1, self.seconds(self.turns) / 2)))
