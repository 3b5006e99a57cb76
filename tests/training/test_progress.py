import io
import logging
import re

from rich.console import Console

from tasks.training.progress import describe, progress
from tasks.training.records import EpochRecord


def record(epoch):
    return EpochRecord(epoch, 0.5, 0.25, 0.9, 0.003)


def test_a_description_names_losses_and_metric():
    assert describe(record(3), "regression") == "loss 0.5000  valid 0.2500  r2 0.9000"


def test_without_a_terminal_there_is_a_plain_line_every_few_epochs(caplog):
    caplog.set_level(logging.INFO, "espalier")
    with progress("train", 20, "classification", Console(file=io.StringIO())) as shown:
        for epoch in range(1, 21):
            shown(record(epoch))
    assert [message.split()[1] for message in caplog.messages] == ["4/20", "8/20", "12/20", "16/20", "20/20"]
    assert all(re.fullmatch(r"[ -~]*s left", message) and len(message) <= 78 for message in caplog.messages)


def test_a_resumed_training_still_ends_with_a_line(caplog):
    caplog.set_level(logging.INFO, "espalier")
    with progress("train", 5, "classification", Console(file=io.StringIO())) as shown:
        shown(record(5))
    assert caplog.messages[-1].startswith("epoch 5/5")


def test_on_a_terminal_a_bar_fits_80_columns():
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=80, color_system=None)
    with progress("reference", 200, "classification", console) as shown:
        for epoch in range(1, 201):
            shown(record(epoch))
    lines = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", file.getvalue()).replace("\r", "\n").split("\n")
    last = [line for line in lines if "200/200" in line][-1]
    assert len(last.rstrip()) <= 80
    assert "loss 0.500 accuracy 0.900" in last
