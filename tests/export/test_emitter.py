from __future__ import annotations

import numpy as np
import pytest
import torch
from onnx import numpy_helper

from tasks.export.emitter import Emitter


@pytest.mark.parametrize(
    "value",
    [torch.tensor(3), torch.tensor(0.5), 0.5, [1, 2], torch.arange(6.0).reshape(2, 3).T],
    ids=["index", "number", "Python number", "list", "transposed"],
)
def test_a_constant_keeps_its_rank_and_its_cells(value):
    e = Emitter()
    e.constant(value)
    held = numpy_helper.to_array(e.constants[0])
    assert held.shape == np.shape(value)
    np.testing.assert_array_equal(held, np.asarray(value))
