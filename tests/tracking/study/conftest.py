"""A workspace and a study of it, computed by nobody."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.config import Params, load_params
from tasks.tracking import Study
from tests.tracking.study import synthetic


@pytest.fixture
def params(workspace: Path) -> Params:
    """Of the workspace."""
    return load_params(workspace)


@pytest.fixture
def study(params: Params) -> Study:
    """Seven candidates that finished and one that failed, three seeds each."""
    return synthetic.study(params)
