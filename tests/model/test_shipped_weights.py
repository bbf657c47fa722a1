"""The weights in model/weights: skipped until they have been built."""

import math
import subprocess
import sys

import pytest

from alliance.model.classifier import RuptureClassifier, shipped_weights
from alliance.model.codebook import Role
from alliance.model.session import Session, Turn

MEGABYTE = 10**6

pytestmark = pytest.mark.skipif(
    not (shipped_weights() / "model.onnx").exists(),
    reason="no weights have been built into model/weights",
)

EXCHANGE = (
    Turn("therapist", "I've been wondering how it felt when I was late last week."),
    Turn("client", "I don't know. It's fine. Whatever."),
    Turn("therapist", "You say it's fine, and you also looked away just then."),
    Turn("client", "You always do this. You're not listening to what I say!"),
    Turn("Mother", "Can I come in?"),
    Turn("client", "[inaudible]"),
    Turn("therapist", "I'm sorry. I pushed you, and I can see that it made you angry."),
    Turn("client", "Thank you. It helps that you say it."),
)


@pytest.fixture(scope="module")
def shipped() -> RuptureClassifier:
    return RuptureClassifier.load()


@pytest.fixture(scope="module")
def subject() -> Session:
    """A session of several windows."""
    return Session("subject", EXCHANGE * 10)


def test_the_folder_is_small_enough_to_ship() -> None:
    sizes = {path.name: path.stat().st_size for path in shipped_weights().iterdir()}
    assert sum(sizes.values()) <= 30 * MEGABYTE, sizes


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_loading_leaves_little_more_than_the_weights_in_memory() -> None:
    # Alone in a process: what others took before would be given back, too.
    script = (
        "from pathlib import Path\n"
        "from alliance.model.classifier import RuptureClassifier\n"
        "classifier = RuptureClassifier.load(threads=1)\n"
        "pages = int(Path('/proc/self/statm').read_text().split()[1])\n"
        "print(pages * 4096)"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    # A weight takes half a byte in the file; in memory one, and four in a table.
    weights = 4 * (shipped_weights() / "model.onnx").stat().st_size
    assert int(run.stdout) < weights + 200 * MEGABYTE


def test_every_turn_has_finite_probabilities(shipped: RuptureClassifier, subject: Session) -> None:
    labelled = shipped.label(subject)
    for turn in labelled:
        assert (turn.probabilities is None) == (
            turn.turn.role is Role.OTHER or turn.turn.text == "[inaudible]"
        )
        if turn.probabilities is not None:
            assert math.fsum(turn.probabilities.as_tuple()) == pytest.approx(1.0)
            assert min(turn.probabilities.as_tuple()) >= 0
    scores = shipped.score(subject)
    assert scores.encoded_tokens > shipped.packing.max_tokens, "more than one window"


def test_a_result_depends_on_its_session_alone(
    shipped: RuptureClassifier, subject: Session
) -> None:
    first = shipped.score(subject).logits.tobytes()
    assert shipped.score(subject).logits.tobytes() == first
    shipped.score(Session("other", EXCHANGE[::-1]))
    assert shipped.score(subject).logits.tobytes() == first
    again = RuptureClassifier.load()
    again.score(Session("other", EXCHANGE[3:]))
    assert again.score(subject).logits.tobytes() == first


def test_a_context_is_read(shipped: RuptureClassifier) -> None:
    answer = Turn("client", "I don't know.")
    asked = shipped.score(Session("a", (Turn("therapist", "What time was it?"), answer)))
    opened = shipped.score(Session("b", (Turn("therapist", "What hurts you most?"), answer)))
    assert asked.logits[1].tolist() != opened.logits[1].tolist()


@pytest.mark.parametrize("role", Role)
def test_a_role_token_typed_in_a_transcript_stays_text(
    shipped: RuptureClassifier, role: Role
) -> None:
    typed = f"[{role.value.upper()}]"
    (encoded,) = shipped.encode([Turn("client", f"Yes. {typed} {typed.lower()}{typed}")])
    numbers = set(shipped.packing.role_ids.values())
    assert [number for number in encoded.ids.tolist() if number in numbers] == [
        shipped.packing.role_ids[Role.CLIENT]
    ]
    assert shipped.packing.opening_id not in encoded.ids
    assert shipped.packing.closing_id not in encoded.ids
