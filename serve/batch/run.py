"""One batch: inputs in, finished sessions into the journal, in the order of the inputs."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from alliance.model.errors import AllianceError, ConfigError
from alliance.model.session import Session
from alliance.serve.batch.catalogue import Catalogue, InputState, KnownSession
from alliance.serve.batch.engine import Engine, Pending
from alliance.serve.batch.journal import Journal
from alliance.serve.batch.reading import OpenInput, UnreadableError, digest_of, open_input
from alliance.serve.inputs import Reading
from alliance.serve.progress import Progress

__all__ = ["Batch", "Counts"]


@dataclass(slots=True)
class Counts:
    """What a batch has done so far.

    Attributes:
        files: inputs that did not fail.
        sessions: sessions in them.
        turns: turns in them.
        sessions_kept: sessions among all that an earlier run had finished.
        turns_labelled: turns labelled by this run, those of inputs that failed later included.
    """

    files: int = 0
    sessions: int = 0
    turns: int = 0
    sessions_kept: int = 0
    turns_labelled: int = 0


@dataclass(frozen=True, slots=True)
class _Begun:
    """An input is read; of its sessions in the journal the first ``keep`` stay."""

    state: InputState
    keep: int


@dataclass(frozen=True, slots=True)
class _InWork:
    """A session is being labelled; ``read`` bytes of all inputs were read by then."""

    place: int
    id: str
    digest: str
    pending: Pending
    read: int


@dataclass(frozen=True, slots=True)
class _Ended:
    """An input was read to its end, or failed."""

    place: int
    sha256: str | None
    size: int
    error: str | None
    read: int


_Event = _Begun | _InWork | _Ended


class Batch:
    """Labels inputs one after another; what is finished goes to the journal and the catalogue.

    Args:
        catalogue: the inputs, and what an earlier run finished of them.
        journal: gets the finished sessions.
        engine: labels.
        reading: how the inputs are read.
        progress: told how far the batch is, and of failures.
        most_sessions: how many the output can hold; None for as many as there are.
        labelled: called whenever a session got into the journal.
        finished: called with each input, by its place, that is complete in the journal.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        journal: Journal,
        engine: Engine,
        *,
        reading: Reading,
        progress: Progress,
        most_sessions: int | None = None,
        labelled: Callable[[], None] = lambda: None,
        finished: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._catalogue = catalogue
        self._journal = journal
        self._engine = engine
        self._reading = reading
        self._progress = progress
        self._most_sessions = most_sessions
        self._labelled = labelled
        self._finished = finished
        self._line: deque[_Event] = deque()
        self._unlabelled: dict[int, str] = {}  # inputs in work whose labelling failed, and why
        self._bytes = self._sessions = 0
        self.counts = Counts()
        self.failures: list[str] = []

    def run(self) -> None:
        """Label all inputs.

        Raises:
            AllianceError: if a setting is wrong, or the engine fails for good.
            OSError: if the journal cannot be written.
        """
        for state in self._catalogue.inputs():
            self._input(state)
            self._bytes += state.size
            self._settle(wait=False)
        self._settle(wait=True)

    def _input(self, state: InputState) -> None:
        try:
            with open_input(state.name) as source:
                # Before it is read, since what reads it may skip about in it.
                digest = source.digest()
                if state.finished and digest is not None and digest == state.sha256:
                    self._keep(state)
                else:
                    self._read(state, source)
        except UnreadableError as error:
            self._begin(state, self._catalogue.session_count(state.place))
            self._end(state, None, state.size, str(error))

    def _keep(self, state: InputState) -> None:
        """An earlier run has done all of it."""
        self._begin(state, self._catalogue.session_count(state.place))
        self._end(state, state.sha256, state.size, state.error)

    def _read(self, state: InputState, source: OpenInput) -> None:
        """Label what is new in an input; what an earlier run has of it comes first."""
        kept, same, error = 0, True, None
        try:
            for session in source.sessions(self._reading):
                digest = digest_of(session)
                if same:
                    known = self._catalogue.session(state.place, kept)
                    same = known is not None and known.digest == digest
                    if same:
                        kept += 1
                        continue
                    self._begin(state, kept)
                self._submit(state.place, session, digest, self._bytes + source.position())
                if state.place in self._unlabelled:
                    break
        except UnreadableError as unreadable:
            error = str(unreadable)
        if same:
            self._begin(state, kept)
        self._end(state, source.finished_digest(), source.size(), error)

    def _begin(self, state: InputState, kept: int) -> None:
        if kept < self._catalogue.session_count(state.place):
            self._progress.complain(
                f"{state.name}: not as the unfinished run found it; the first {kept:,} of its "
                f"sessions are kept, and what follows is labelled again"
            )
        self.counts.sessions_kept += kept
        self._add_sessions(kept)
        self._line.append(_Begun(state, kept))

    def _submit(self, place: int, session: Session, digest: str, read: int) -> None:
        self._add_sessions(1)
        try:
            pending = self._engine.submit(session, meanwhile=lambda: self._settle(wait=False))
        except AllianceError:
            raise
        except Exception as error:  # the model's own fault must not cost the other inputs
            self._unlabelled[place] = type(error).__name__
            return
        self._line.append(_InWork(place, session.id, digest, pending, read))
        self._settle(wait=False)

    def _add_sessions(self, count: int) -> None:
        self._sessions += count
        if self._most_sessions is not None and self._sessions > self._most_sessions:
            raise ConfigError(
                "expected one session for an output that holds no more, found several; label them "
                "one at a time, or into a table such as .csv"
            )

    def _end(self, state: InputState, sha256: str | None, size: int, error: str | None) -> None:
        self._line.append(_Ended(state.place, sha256, size, error, self._bytes + state.size))

    def _settle(self, *, wait: bool) -> None:
        """Write down what is finished, in order; ``wait`` for everything that is in work."""
        while self._line:
            first = self._line[0]
            if isinstance(first, _InWork) and not wait and not first.pending.done():
                return
            self._line.popleft()
            match first:
                case _Begun():
                    self._write_begun(first)
                case _InWork():
                    self._write_session(first)
                case _Ended():
                    self._write_ended(first)

    def _write_begun(self, begun: _Begun) -> None:
        self._journal.append({"input": begun.state.key, "keep": begun.keep})
        self._catalogue.begin(begun.state.place, keep=begun.keep)

    def _write_session(self, work: _InWork) -> None:
        if work.place in self._unlabelled:
            return  # nothing of its input is kept
        try:
            rows = work.pending.rows()
        except AllianceError:
            raise
        except Exception as error:  # as in _submit
            self._unlabelled[work.place] = type(error).__name__
            return
        record = {"session": work.id, "digest": work.digest, "rows": rows}
        offset = self._journal.append(record)
        self._catalogue.add_session(work.place, KnownSession(offset, work.digest, len(rows)))
        self.counts.turns_labelled += len(rows)
        self._labelled()
        self._progress.advance(done=work.read, turns=self.counts.turns_labelled)

    def _write_ended(self, ended: _Ended) -> None:
        state = self._catalogue.input(ended.place)
        assert state is not None
        error, sha256 = ended.error, ended.sha256
        if (kind := self._unlabelled.pop(ended.place, None)) is not None:
            sha256 = None  # so that it is tried again
            error = (
                f"{state.name}: expected a transcript that can be labelled, found one on which "
                f"the model fails ({kind}); leave it out, and please report it"
            )
        self._journal.append({"sha256": sha256, "size": ended.size, "error": error})
        self._catalogue.finish(ended.place, sha256=sha256, size=ended.size, error=error)
        state = self._catalogue.input(ended.place)
        assert state is not None
        if error is not None:
            self.failures.append(error)
            self._progress.complain(error)
        else:
            self.counts.files += 1
            self.counts.sessions += state.sessions
            self.counts.turns += state.turns
            self._finished(ended.place)
        self._progress.advance(done=ended.read, turns=self.counts.turns_labelled)
