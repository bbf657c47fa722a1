"""Labelling a batch: many transcripts in, one table out."""

import datetime as dt
import io
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from alliance.model.classifier import RuptureClassifier
from alliance.model.errors import ConfigError
from alliance.model.labelled import Purpose
from alliance.serve.batch.catalogue import Catalogue
from alliance.serve.batch.engine import Engine, Labeller, LocalEngine, SerialEngine
from alliance.serve.batch.journal import Journal
from alliance.serve.batch.manifest import RunFacts, write_manifest
from alliance.serve.batch.reading import size_of
from alliance.serve.batch.results import STREAMED, InputByInput, most_sessions, write_output
from alliance.serve.batch.run import Batch
from alliance.serve.batch.settings import BatchSettings, weights_digest
from alliance.serve.batch.work import WorkFolder
from alliance.serve.engine_name import EngineName
from alliance.serve.formats import open_table_writer
from alliance.serve.inputs import STDIN, Reading, file_key, iter_files
from alliance.serve.output import open_output
from alliance.serve.progress import Progress
from alliance.serve.table import TableFormat, format_of

__all__ = ["BatchReport", "EngineName", "Labeller", "label_files"]


@dataclass(frozen=True, slots=True)
class BatchReport:
    """What a batch did.

    Attributes:
        files: inputs labelled; those that failed are not counted.
        sessions: sessions in them.
        turns: turns in them, with or without a label.
        failures: one sentence per input that failed, with its name; it added no row.
        repeated_ids: session ids that came from more than one input.
        seconds: wall-clock time from the first input to the output.
        sessions_kept: sessions that an unfinished run had labelled already.
        turns_labelled: turns that were labelled now.
    """

    files: int
    sessions: int
    turns: int
    failures: tuple[str, ...]
    repeated_ids: int
    seconds: float
    sessions_kept: int = 0
    turns_labelled: int = 0

    def __str__(self) -> str:
        speed = self.turns_labelled / self.seconds if self.seconds > 0 else 0.0
        counts = [(self.files, "file"), (self.sessions, "session"), (self.turns, "turn")]
        said = ", ".join(f"{n:,} {noun}{'' if n == 1 else 's'}" for n, noun in counts)
        kept = ""
        if self.sessions_kept:
            kept = f"; {self.sessions_kept:,} sessions were there from an unfinished run"
        return f"{said} labelled ({speed:,.0f} turns/s){kept}; {len(self.failures):,} failed"


def label_files(
    inputs: Sequence[str | Path],
    output: Path | None = None,
    *,
    labeller: Labeller,
    reading: Reading | None = None,
    purpose: Purpose = Purpose.RESEARCH,
    table_format: TableFormat | None = None,
    include_text: bool = True,
    progress: Progress | None = None,
    engine: EngineName = EngineName.LOCAL,
    workers: int | None = None,
    resume: bool | None = None,
) -> BatchReport:
    """Label transcripts and write one row per turn, in the order of the inputs.

    Memory holds a few sessions at a time, however large the corpus. An input that cannot be read,
    even if only its end cannot, or on which the model fails, adds no row: it is named and the rest
    goes on. An output file appears whole at the end, with a manifest beside it
    (:mod:`alliance.serve.batch.manifest`), and not at all if no input could be read. If the process
    dies before, the finished sessions are kept (:mod:`alliance.serve.batch.work`).

    Args:
        inputs: files, folders (see :func:`~alliance.serve.inputs.find_files`), ``-`` for
            standard input.
        output: the file to write; None writes to standard output, input by input.
        labeller: what labels the sessions. The windows of a :class:`RuptureClassifier` are spread
            over ``workers`` threads, and its encoder should then use one thread a call.
        reading: roles, columns, encoding and format of the inputs.
        purpose: chooses the decision thresholds.
        table_format: what is written; None goes by the output's ending.
        include_text: whether what was said goes into the output.
        progress: told how far the batch is, and of failures.
        engine: ``local``, or ``ray`` (needs the ``[ray]`` extra and a :class:`RuptureClassifier`).
        workers: windows labelled at once, or actors on Ray; None for 1, on Ray for as many as the
            cluster has room for.
        resume: True goes on with an unfinished run on this output, whose settings must be the same;
            False starts again; None goes on if the settings are the same.

    Raises:
        InputError: if no input is found, the output cannot stand where it is asked for, or its
            format cannot hold what was labelled.
        MissingExtraError: if a library that is needed is not installed.
        OSError: if the output cannot be written.
    """
    table_format = format_of(output, table_format)
    if resume and not _is_file(output):
        raise ConfigError(
            "expected an output file for --resume, found standard output or a device; name a file "
            "with -o, beside which unfinished work can be kept"
        )
    reading = reading or Reading()
    classifier = labeller if isinstance(labeller, RuptureClassifier) else None
    folder = None if classifier is None else classifier.folder
    with Catalogue() as catalogue:
        for file in iter_files(inputs, output=output):
            catalogue.add_input(str(file), key=file_key(file), size=size_of(file))
        run = _Run(
            catalogue=catalogue,
            settings=BatchSettings(
                model=labeller.name,
                weights=None if folder is None else weights_digest(folder),
                purpose=purpose,
                include_text=include_text,
                reading=reading,
                device="cpu" if engine is EngineName.LOCAL else _ray_device(),
            ),
            engine=lambda: _engine(labeller, engine, workers, purpose, include_text),
            facts=RunFacts(dt.datetime.now(dt.UTC), engine.value, workers, table_format.value),
            table_format=table_format,
            progress=progress or Progress(),
        )
        if output is not None and _is_file(output):
            return run.to_file(output, resume=resume)
        return run.to_stream(output)


def _is_file(output: Path | None) -> bool:
    """Whether the output will be a file, not standard output, a pipe or a device."""
    if output is None or str(output) == STDIN:
        return False
    return output.is_file() or output.is_dir() or not output.exists()


def _engine(
    labeller: Labeller,
    name: EngineName,
    workers: int | None,
    purpose: Purpose,
    include_text: bool,
) -> Engine:
    if name is EngineName.RAY:
        from alliance.serve.batch.ray_engine import RayEngine

        if not isinstance(labeller, RuptureClassifier) or labeller.folder is None:
            raise ConfigError(
                f"expected a model folder to send to Ray, found the labeller {labeller.name}; use "
                f"a model that RuptureClassifier.load has read"
            )
        return RayEngine(
            labeller.folder, purpose=purpose, include_text=include_text, workers=workers
        )
    # A subclass has its own way through a session's windows.
    if type(labeller) is RuptureClassifier:
        return LocalEngine(
            labeller, purpose=purpose, include_text=include_text, workers=workers or 1
        )
    return SerialEngine(labeller, purpose=purpose, include_text=include_text)


def _ray_device() -> str:
    from alliance.serve.batch.ray_engine import device

    return device()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    catalogue: Catalogue
    settings: BatchSettings
    engine: Callable[[], Engine]
    facts: RunFacts
    table_format: TableFormat
    progress: Progress

    def to_file(self, output: Path, *, resume: bool | None) -> BatchReport:
        """Label into the work folder, then write the output from it."""
        began = time.perf_counter()
        original = self._original()
        with open_output(output):
            pass  # an output that cannot be there is told before the work, not after it
        with WorkFolder(output) as work:
            # The same for a library that is missing, or an original that cannot be added to.
            open_table_writer(io.BytesIO(), self.table_format, original=original).discard()
            taken = work.take_up(self.settings.to_dict(), self.catalogue, resume=resume)
            for sentence in taken.sentences():
                self.progress.complain(sentence)
            try:
                batch = self._labelled(work.journal, labelled=work.keep)
                if batch.counts.files:
                    write_output(
                        output,
                        self.table_format,
                        journal=work.journal,
                        catalogue=self.catalogue,
                        include_text=self.settings.include_text,
                        original=original,
                    )
                    facts = replace(self.facts, sessions_kept=batch.counts.sessions_kept)
                    write_manifest(output, self.catalogue, settings=self.settings, facts=facts)
            except BaseException:
                if work.sessions:
                    self.progress.complain(
                        f"{output}: not written; {work.sessions:,} finished "
                        f"session{'s are' if work.sessions > 1 else ' is'} kept, and the same "
                        f"command goes on with {'them' if work.sessions > 1 else 'it'}"
                    )
                raise
            work.remove()
        return self._report(batch, began)

    def to_stream(self, output: Path | None) -> BatchReport:
        """Label into a temporary folder, and hand on each input when it is complete."""
        began = time.perf_counter()
        with (
            tempfile.TemporaryDirectory() as folder,
            Journal(Path(folder) / "journal") as journal,
        ):
            if self.table_format not in STREAMED:
                batch = self._labelled(journal)
                if batch.counts.files:
                    write_output(
                        output,
                        self.table_format,
                        journal=journal,
                        catalogue=self.catalogue,
                        include_text=self.settings.include_text,
                        original=self._original(),
                    )
                return self._report(batch, began)
            with open_output(output) as out:
                stream = InputByInput(
                    out,
                    self.table_format,
                    journal=journal,
                    catalogue=self.catalogue,
                    include_text=self.settings.include_text,
                )
                batch = self._labelled(journal, finished=stream.write)
        return self._report(batch, began)

    def _labelled(
        self,
        journal: Journal,
        *,
        labelled: Callable[[], None] = lambda: None,
        finished: Callable[[int], None] = lambda _: None,
    ) -> Batch:
        pipes = self.catalogue.place_of(STDIN) is not None
        self.progress.start(None if pipes else self.catalogue.total_bytes())
        with self.engine() as engine:
            batch = Batch(
                self.catalogue,
                journal,
                engine,
                reading=self.settings.reading,
                progress=self.progress,
                most_sessions=most_sessions(self.table_format),
                labelled=labelled,
                finished=finished,
            )
            batch.run()
        return batch

    def _original(self) -> Path | None:
        """The one ELAN file that is labelled, if its labels go into an ELAN file again."""
        first = self.catalogue.input(0)
        alone = first is not None and self.catalogue.input(1) is None
        if first is None or not alone or self.table_format is not TableFormat.EAF:
            return None
        path = Path(first.name)
        return path if path.suffix.lower() == ".eaf" else None

    def _report(self, batch: Batch, began: float) -> BatchReport:
        counts = batch.counts
        return BatchReport(
            files=counts.files,
            sessions=counts.sessions,
            turns=counts.turns,
            failures=tuple(batch.failures),
            repeated_ids=self.catalogue.repeated_ids(),
            seconds=time.perf_counter() - began,
            sessions_kept=counts.sessions_kept,
            turns_labelled=counts.turns_labelled,
        )
