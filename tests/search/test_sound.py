"""Networks that do not bear every row."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tasks.errors import EspalierError
from tasks.search.sound import check_sound, unanswered


class Inverse(nn.Module):
    """One over the row, and its logarithm."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([1 / x, torch.log(x)], dim=1)


ROWS = torch.tensor([[1.0], [0.0], [2.0], [-1.0]])


def test_rows_without_finite_answers_are_found_where_one_output_is_not():
    assert unanswered(Inverse(), ROWS).tolist() == [1, 3]
    assert unanswered(Inverse(), ROWS[::2]).tolist() == []


def test_a_network_that_does_not_bear_a_row_is_refused_with_the_first_of_them():
    check_sound(Inverse(), {"training": ROWS[::2]})
    with pytest.raises(EspalierError, match=r"2 of 4 validation rows .* the first is row 1 of them"):
        check_sound(Inverse(), {"training": ROWS[::2], "validation": ROWS})
