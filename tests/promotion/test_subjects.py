"""What is read of a stored version's answers."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from tasks.promotion import subjects
from tasks.promotion.subjects import _answers

PEAK = "import runpy, sys; print(runpy.run_path(sys.argv[1])['_peak']())"


@pytest.mark.parametrize(
    ("labels", "given"), [(("0", "1"), [1.0, 0.0]), (("False", "True"), [True, False]), (("0", "1"), [1, 0])]
)
def test_labels_of_every_type_are_read_as_their_classes(labels, given):
    frame = pd.DataFrame({"prediction": given, f"probability_{labels[0]}": [0.1, 0.9]})
    found = _answers(frame, labels)
    assert found.decided.tolist() == [1, 0]
    assert found.scores[:, 1].tolist() == [0, 0]


def test_a_class_that_is_not_known_here_is_one_of_its_own():
    frame = pd.DataFrame({"prediction": ["yes", "perhaps"], "probability_yes": [1.0, 0.0]})
    assert _answers(frame, ("no", "yes")).decided.tolist() == [1, 2]


def test_the_memory_of_whoever_asks_is_not_the_models():
    held = np.ones(40_000_000)  # 320 MB
    command = [sys.executable, "-I", "-c", PEAK, str(subjects.SCRIPT)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert 0 < float(said) < held.nbytes / 1e6 / 2
