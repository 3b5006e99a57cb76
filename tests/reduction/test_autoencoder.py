from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from tasks.errors import EspalierError
from tasks.reduction.autoencoder import train_autoencoder
from tasks.reduction.column_config import AutoencoderColumns
from tasks.reduction.columns import fit_columns
from tasks.reduction.reduction import encode
from tasks.reduction.sample import Sample


def config(**options: object) -> AutoencoderColumns:
    return AutoencoderColumns.model_validate({"components": 2, "hidden": [16], **options})


def tensors(n: int = 200, d: int = 6) -> torch.Tensor:
    """Rows on a plane, with a little noise."""
    draws = torch.Generator().manual_seed(0)
    codes, axes = (torch.randn(*shape, generator=draws) for shape in ((n, 2), (2, d)))
    return codes @ axes + 0.01 * torch.randn(n, d, generator=draws)


def test_rows_on_a_plane_are_given_back(table: Callable[..., Sample]) -> None:
    X = tensors()
    network, errors = train_autoencoder(config(hidden=[], epochs=200, lr=0.02, patience=200), X, X, seed=0)
    assert min(errors) < 0.01 * float(X.var())
    assert network(X).shape == X.shape


def test_the_best_epoch_is_the_one_returned() -> None:
    X, valid = tensors(), tensors(50)
    network, errors = train_autoencoder(config(epochs=9, lr=0.05), X, valid, seed=1)
    with torch.no_grad():
        assert float(torch.square(network(valid) - valid).mean()) == pytest.approx(min(errors), rel=1e-5)


def test_it_stops_when_validation_rows_are_given_back_no_better() -> None:
    X = tensors(32)
    _, errors = train_autoencoder(config(epochs=500, lr=0.05, patience=2), X, -5 * tensors(20), seed=0)
    assert len(errors) < 500
    assert len(errors) == int(np.argmin(errors)) + 1 + 3


def test_the_processs_generator_stays_as_it_was() -> None:
    before = torch.random.get_rng_state()
    train_autoencoder(config(epochs=1), tensors(), tensors(), seed=5)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_the_code_has_mean_zero_and_mean_square_one(table: Callable[..., Sample]) -> None:
    sample = table()
    reduction = fit_columns(config(epochs=3), sample)
    assert reduction.encoder is not None
    codes = encode(reduction.encoder, sample.features).astype(float)
    np.testing.assert_allclose(codes.mean(axis=0), 0, atol=1e-5)
    assert np.square(codes).mean() == pytest.approx(1, rel=1e-5)


def test_validation_rows_decide_and_are_not_learnt_from(table: Callable[..., Sample]) -> None:
    sample = table()
    own = fit_columns(config(epochs=2, patience=9), sample)
    other = fit_columns(config(epochs=2, patience=9), replace(sample, valid=sample.features[:9] + 1))
    assert own.report["valid_errors"] != other.report["valid_errors"]


def test_the_report_has_the_share_of_the_variance_that_is_lost(table: Callable[..., Sample]) -> None:
    lost = fit_columns(config(components=8, epochs=60, lr=0.01), table()).report["reconstruction_error"]
    assert 0 < lost < 0.2


def test_a_training_that_diverges_names_the_learning_rate(table: Callable[..., Sample]) -> None:
    with pytest.raises(EspalierError, match=r"^reduce\.columns\.lr: the autoencoder diverged in epoch \d+"):
        fit_columns(config(lr=1e30, epochs=5), table())
