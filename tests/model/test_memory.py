import subprocess
import sys

import numpy as np
import pytest

from alliance.model.memory import peak_memory_mb

OWN = "from alliance.model.memory import peak_memory_mb; print(peak_memory_mb())"


def peak() -> float:
    found = peak_memory_mb()
    if found is None:
        pytest.skip("this system does not say how much memory a process took")
    return found


def test_the_peak_stays_when_memory_is_given_back() -> None:
    before = peak()
    held = np.ones(int(before + 100) * 125_000)  # that many 10^6 bytes
    most = peak()
    assert most > before + 80
    del held
    assert peak() > most - 5  # the system counts roughly


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere getrusage says it rightly")
def test_a_process_does_not_answer_for_the_one_that_started_it() -> None:
    held = np.ones(50_000_000)  # 400 MB
    run = subprocess.run([sys.executable, "-c", OWN], capture_output=True, text=True, check=True)
    assert 5 < float(run.stdout) < held.nbytes / 1e6 / 2
