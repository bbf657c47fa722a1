"""What a training run is told: small frozen sections, read from a TOML file.

Every field has a default, so a file names only what it changes. ``alliance train --print-config``
shows them all. ``training/recipe.toml`` is used where no file is named; ``training/shipped.toml``
is the recipe of the shipped weights, ``training/teacher.toml`` and ``training/student.toml`` are
those of a large network and of a small one that learns from it.
"""

import dataclasses
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self, TypeVar

from alliance.model.errors import ConfigError

RECIPE: Final = Path(__file__).parent / "recipe.toml"
SHIPPED_RECIPE: Final = RECIPE.with_name("shipped.toml")
"""The recipe that is used where no other is named: it needs neither teachers nor mpnet."""


def _shares(section: object, where: str, *names: str) -> None:
    """See that fields lie between 0 and 1."""
    for name in names:
        value = getattr(section, name)
        if not 0 <= value <= 1:
            raise ConfigError(f"{where} {name} lies between 0 and 1, got {value}")


def _not_negative(section: object, where: str, *names: str) -> None:
    """See that fields are 0 or above."""
    for name in names:
        value = getattr(section, name)
        if value < 0:
            raise ConfigError(f"{where} {name} is not negative, got {value}")


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderConfig:
    """Which encoder, and how turns are put before it.

    Attributes:
        base: ``minilm`` (all-MiniLM-L6-v2 from the package index, see ``training/base.py``), a
            folder, or the name of a Hugging Face encoder that is already in the local cache.
        max_tokens: tokens in a window, opening and closing token included.
        max_turn_tokens: token budget of one turn; of a longer one head and tail are kept.
        overlap_tokens: tokens, at most, that neighbouring windows share when labelling.
        attention_dropout: dropout of attention weights (0-1). 0 keeps the fused attention of
            torch usable on a CPU, which more than doubles the speed of MiniLM.
        hidden_dropout: dropout of hidden states (0-1), in the encoder and before the head.
        layers: how many layers, the lowest, are kept; 0 for all.
        vocabulary: how many word pieces, the commonest, are kept; 0 for all.
        frozen_layers: how many layers, the lowest, stay as they came; the embeddings then do too,
            and a role token is what its role's name is. 0 trains everything. Saves most of the
            time that those layers take.
        lora_rank: rank of low-rank additions (LoRA) that are trained in place of the weights of
            the layers, and merged into them after each stage; 0 trains the weights themselves.
            Needs about ten times the ``encoder_rate``. Saves memory, hardly any time.
    """

    base: str = "minilm"
    max_tokens: int = 512
    max_turn_tokens: int = 256
    overlap_tokens: int = 128
    attention_dropout: float = 0.0
    hidden_dropout: float = 0.1
    layers: int = 0
    vocabulary: int = 0
    frozen_layers: int = 0
    lora_rank: int = 0

    def __post_init__(self) -> None:
        _not_negative(self, "[encoder]", "layers", "vocabulary", "frozen_layers", "lora_rank")


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionConfig:
    """A recurrent layer over the whole session, after the encoder; trained together with it.

    Attributes:
        hidden: its size in each direction; 0 for no such layer, where the logits are the encoder's.
        width: size of a turn before it.
        dropout: of a turn before and after it (0-1).
        feature_dropout: of what the encoder says of a turn (0-1).
        window_weight: weight of the loss of the encoder's own head, which sees no more than its
            window; it keeps the encoder learning as if there were no layer, and is not exported.
        part_share: share (0-1) of sessions of which only a part, drawn at random, is shown, so
            that a layer which has read whole sessions alone is not lost in a few turns.
    """

    hidden: int = 0
    width: int = 192
    dropout: float = 0.3
    feature_dropout: float = 0.1
    window_weight: float = 0.5
    part_share: float = 0.5

    def __post_init__(self) -> None:
        _shares(self, "[session]", "dropout", "feature_dropout", "part_share")
        if self.hidden < 0 or self.width < 1 or self.window_weight < 0:
            raise ConfigError(
                f"[session] hidden and window_weight are not negative and width is at least 1, got "
                f"{self.hidden}, {self.window_weight} and {self.width}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class ImitationConfig:
    """Another encoder, as it came, whose word on each turn the encoder learns to give.

    What is imitated are the principal components of the hidden states of some of its layers, a
    turn's being the mean of its tokens'. (Hidden states are imitated in "FitNets", Romero et al.
    2015, and "TinyBERT", Jiao et al. 2020, too.)

    Attributes:
        base: as in ``[encoder]``.
        layers: whose states, 0 being the embeddings.
        components: how many components, the largest first.
        max_tokens: tokens in a window in which it reads; a turn has half as many, at most.
    """

    base: str = "mpnet"
    layers: tuple[int, ...] = (6, 9, 11, 12)
    components: int = 256
    max_tokens: int = 512

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", tuple(self.layers))
        if self.components < 1 or not self.layers:
            raise ConfigError(
                f"[imitation] has at least one layer and one component, got {len(self.layers)} "
                f"and {self.components}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class LossConfig:
    """What is learnt from a coded turn.

    Attributes:
        code_weight: weight of the cross-entropy on the fine codes, beside 1 for that on the four
            labels.
        settled_share: share (0-1) of the target that the settled code gets; the rest is split
            between the two codings. 1 trains on the settled codes alone.
        balance: weights of turns grow with the rarity of their label to this power: 0 leaves
            turns as they are, 1 gives each label the same total weight.
        other_share: share (0-1) of windows in which one speaker is renamed to another person and
            gets no label, so that the token for other speakers is known.
        teacher_share: share (0-1) of the target that the teachers' probabilities get, where there
            are teachers (``--teacher``); the codes get the rest.
    """

    code_weight: float = 0.5
    settled_share: float = 0.5
    balance: float = 0.5
    other_share: float = 0.03
    teacher_share: float = 0.0

    def __post_init__(self) -> None:
        _shares(self, "[loss]", "settled_share", "balance", "other_share", "teacher_share")
        _not_negative(self, "[loss]", "code_weight")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunConfig:
    """One of several runs of a stage, which all begin alike.

    Attributes:
        seed: of its draws.
        epochs: passes over the drawn sessions; 0 for the stage's.
    """

    seed: int
    epochs: int = 0

    def __post_init__(self) -> None:
        _not_negative(self, "a run's", "seed", "epochs")


@dataclass(frozen=True, slots=True, kw_only=True)
class StageConfig:
    """One stage of training; stages follow each other on the same weights.

    Attributes:
        shares: which corpora, and which share (0-1) of each one's sessions is drawn anew each
            epoch.
        epochs: passes over the drawn sessions.
        encoder_rate: peak learning rate of the encoder. 0, where there is a layer over the
            session: the encoder reads every session once, and the layer learns from that; then a
            step is four sessions, and ``batch_tokens`` and what draws windows do not count.
        head_rate: peak learning rate of the new parameters (the head).
        batch_tokens: tokens in one step, padding included.
        warmup: share (0-1) of the steps over which the rates rise from 0; they then fall to 0
            in a straight line.
        weight_decay: AdamW's decay.
        patience: epochs without a better dev score after which the stage stops; 0 runs all
            epochs and keeps the last state.
        stop_after: end after so many epochs, on the learning rates of a whole stage; 0 for never.
            Training on all folds stops where the folds of the cross-validation were best.
        average: decay per step (0-1) of a running average of the weights, which is what the stage
            ends with; .99 averages over about the last hundred steps, 0 takes the last weights
            as they are. Needs ``patience = 0``.
        plain_share: share (0-1) of the drawn windows without a rupture that are trained on;
            windows with one always are. Ruptures crowd in few sessions, so most windows have none.
        disturbed_share: share (0-1) of the drawn sessions that are trained on as a poor
            transcript has them (``training/disturb.py``): word errors, no punctuation, swapped
            speakers.
        taught: whether the teachers, if there are any, have their share in this stage. Teachers
            differ from fold to fold; a first stage without them is trained once for all folds.
        in_session: whether the layer over the session, if there is one, takes part. Without it the
            encoder learns alone, on single windows.
        frozen_layers: as in ``[encoder]``, for this stage; the larger of the two counts.
        imitation: weight of the error in imitating the encoder of ``[imitation]``; 0 for none.
            Needs a layer over the session. The first such stage finds the components, on corpora
            that no fold changes; poor transcripts imitate what was heard of the good one.
        seed: of this stage's draws, so that runs may part ways after the stages before; 0 for the
            run's own plus the stage's number.
        runs: runs of this stage that begin alike and draw otherwise; the stage ends with the mean
            of their weights, which costs no time when labelling ("Model soups", Wortsman et al.
            2022). None: the stage is run once. Needs ``patience = 0`` and ``stop_after = 0``.
        stretch: with ``runs``: how far from where they began the stage ends, as a multiple of
            their mean's way. What the runs learnt differently cancels out in the mean, which so
            has gone less far than each of them; above 1 it goes on ("task arithmetic", Ilharco et
            al. 2023).
    """

    shares: Mapping[str, float]
    epochs: int = 8
    encoder_rate: float = 1e-4
    head_rate: float = 1e-3
    batch_tokens: int = 2048
    warmup: float = 0.06
    weight_decay: float = 0.01
    patience: int = 3
    stop_after: int = 0
    average: float = 0.0
    plain_share: float = 1.0
    disturbed_share: float = 0.0
    taught: bool = True
    in_session: bool = True
    frozen_layers: int = 0
    imitation: float = 0.0
    seed: int = 0
    runs: tuple[RunConfig, ...] = ()
    stretch: float = 1.0

    def __post_init__(self) -> None:
        runs = tuple(
            run if isinstance(run, RunConfig) else _section(RunConfig, run, "[[stages.runs]]")
            for run in self.runs
        )
        object.__setattr__(self, "runs", runs)
        if runs and (self.patience or self.stop_after):
            raise ConfigError(
                "a stage of several runs runs all their epochs: patience = 0 and stop_after = 0"
            )
        if len({run.seed for run in runs}) < len(runs):
            raise ConfigError("the runs of a stage have a seed each, found one twice")
        if self.stretch <= 0 or (self.stretch != 1 and not runs):
            raise ConfigError(
                f"a stage's stretch is above 0, and 1 where it has no runs, got {self.stretch}"
            )
        _not_negative(self, "a stage's", "imitation", "encoder_rate", "frozen_layers", "seed")
        if self.encoder_rate == 0 and (self.disturbed_share or self.patience):
            raise ConfigError(
                "a stage with encoder_rate = 0 reads sessions once as they are and runs all its "
                "epochs: disturbed_share = 0 and patience = 0"
            )
        if not 0 <= self.average < 1:
            raise ConfigError(f"a stage's average lies between 0 and below 1, got {self.average}")
        if self.average and self.patience:
            raise ConfigError("a stage that averages its weights runs all its epochs: patience = 0")
        _shares(self, "a stage's", "plain_share", "disturbed_share")
        if not self.shares or not all(0 < share <= 1 for share in self.shares.values()):
            raise ConfigError(
                f"a stage's shares lie between 0 and 1, one per corpus, got {dict(self.shares)}"
            )
        if self.epochs < 1:
            raise ConfigError(f"a stage has at least one epoch, got {self.epochs}")
        if not 0 <= self.stop_after <= self.epochs:
            raise ConfigError(
                f"stop_after lies between 0 and epochs = {self.epochs}, got {self.stop_after}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingConfig:
    """A whole run.

    Attributes:
        name: the trained model's name and version, written into every result.
        seed: of every draw and initialisation.
        precision: ``bf16`` (autocast), ``fp32``, or ``auto``: bf16 where the processor computes
            it natively. On one that does not, emulated bf16 takes ten times as long as fp32.
        quantise: ``int8`` to export the smallest form whose labels equal the network's (dynamic
            int8, else weights alone in 8 bits, else float32), ``none`` for float32, or
            ``weights4`` for weights in 4 bits, to which they are rounded as training ends
            (``training/rounding.py``): half the size, and all figures are those of that form.
        untaught: corpora that teachers are not asked about, and are learnt from their codes alone;
            sessions that were written after the teachers were trained, for example.
        encoder, session, imitation, loss, stages: the sections.
    """

    name: str = "alliance-custom-1"
    seed: int = 13
    precision: str = "auto"
    quantise: str = "int8"
    untaught: tuple[str, ...] = ()
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    session: SessionConfig = field(default_factory=SessionConfig)
    imitation: ImitationConfig = field(default_factory=ImitationConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    stages: tuple[StageConfig, ...] = (
        StageConfig(shares={"authored": 1.0}, epochs=5, patience=0),
        StageConfig(shares={"annomi": 1.0, "authored": 0.3}),
    )

    def __post_init__(self) -> None:
        if self.precision not in ("auto", "bf16", "fp32"):
            raise ConfigError(f"precision is 'auto', 'bf16' or 'fp32', got {self.precision!r}")
        if self.quantise not in ("int8", "weights4", "none"):
            raise ConfigError(f"quantise is 'int8', 'weights4' or 'none', got {self.quantise!r}")
        if not self.stages:
            raise ConfigError("a run has at least one [[stages]] section, got none")
        object.__setattr__(self, "untaught", tuple(self.untaught))
        for name in self.untaught:
            if name not in self.corpora:
                raise ConfigError(
                    f"untaught is a list of corpora that stages draw from, got {name!r}, from "
                    f"which none does"
                )
        if self.session.hidden and not self.stages[-1].in_session:
            raise ConfigError(
                "the last stage trains the layer over the session, found in_session = false"
            )
        imitating = [stage for stage in self.stages if stage.imitation]
        if imitating and "annomi" in imitating[0].shares:
            raise ConfigError(
                "the first stage that imitates finds what is imitated, and draws from corpora that "
                "no fold changes, got 'annomi'"
            )
        layered = any(stage.imitation or stage.encoder_rate == 0 for stage in self.stages)
        if layered and not self.session.hidden:
            raise ConfigError(
                "a stage that imitates, or with encoder_rate = 0, needs a layer over the session; "
                "set [session] hidden above 0"
            )

    @property
    def corpora(self) -> tuple[str, ...]:
        """Names of the corpora that stages draw from, each once, in the order of their use."""
        return tuple(dict.fromkeys(name for stage in self.stages for name in stage.shares))

    @property
    def imitated(self) -> int:
        """How many numbers a turn the encoder learns to imitate; 0 if no stage imitates."""
        return self.imitation.components if any(one.imitation for one in self.stages) else 0

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Build from nested mappings, as read from TOML.

        Raises:
            ConfigError: for an unknown section or field, or a value out of range.
        """
        values = dict(data)
        for name, kind in _SECTIONS.items():
            if name in values:
                values[name] = _section(kind, values[name], f"[{name}]")
        if "stages" in values:
            values["stages"] = tuple(
                _section(StageConfig, stage, "[[stages]]") for stage in values["stages"]
            )
        return _section(cls, values, "the top level")

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """Read a TOML file.

        Raises:
            ConfigError: if the file is missing, is not TOML, or says something unknown.
        """
        try:
            data = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigError(f"{path}: expected a training configuration, found none") from error
        except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise ConfigError(f"{path}: expected a TOML file: {error}") from error
        return cls.from_dict(data)


_SECTIONS: Final[Mapping[str, type]] = {
    "encoder": EncoderConfig,
    "session": SessionConfig,
    "imitation": ImitationConfig,
    "loss": LossConfig,
}

_T = TypeVar("_T")


def _section(kind: type[_T], values: object, where: str) -> _T:
    if not isinstance(values, Mapping):
        raise ConfigError(f"{where}: expected a table of fields, got {values!r}")
    known = [f.name for f in dataclasses.fields(kind)]  # type: ignore[arg-type]
    unknown = [name for name in values if name not in known]
    if unknown:
        raise ConfigError(f"unknown {unknown[0]!r} in {where}; expected one of {', '.join(known)}")
    try:
        return kind(**values)
    except TypeError as error:
        raise ConfigError(f"{where}: {error}") from error
