import os

import pytest
import torch
from threadpoolctl import threadpool_info

from tasks.errors import EspalierError
from tasks.training.config import TrainConfig
from tasks.training.device import choose_device, cpu_threads, runtime


def test_threads_hold_for_the_block_and_are_restored_after_an_error():
    before = torch.get_num_threads()
    seen = []

    def fail():
        with cpu_threads(before + 1):
            seen.append(torch.get_num_threads())
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert seen == [before + 1]
    assert torch.get_num_threads() == before


def test_threads_hold_for_the_blas_of_numpy_too():
    def blas():
        return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}

    before = blas()
    with cpu_threads(1):
        assert blas() <= {1}
    assert blas() == before


def test_determinism_holds_for_the_block_alone():
    environment = dict(os.environ)
    with runtime(TrainConfig(threads=1, device="cpu")) as device:
        assert torch.are_deterministic_algorithms_enabled()
        assert device.type == "cpu"
    assert not torch.are_deterministic_algorithms_enabled()
    assert dict(os.environ) == environment


def test_determinism_can_be_left_off():
    with runtime(TrainConfig(threads=1, device="cpu", deterministic=False)):
        assert not torch.are_deterministic_algorithms_enabled()


def test_auto_finds_a_device_that_is_there():
    torch.zeros(1, device=choose_device("auto"))


def test_a_device_that_is_not_there_is_refused():
    if torch.cuda.is_available():
        pytest.skip("this machine has cuda")
    with pytest.raises(EspalierError, match="cuda is not available on this machine; choose auto or cpu"):
        choose_device("cuda")
