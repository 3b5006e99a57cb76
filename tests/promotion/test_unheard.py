from tasks import lifecycle
from tasks.promotion.unheard import is_unheard
from tasks.versioning import Run
from tests.promotion.conftest import NAME


def test_a_challenger_is_unheard_of_until_the_ledger_has_it(client, ledger, tmp_path):
    assert is_unheard(tmp_path, NAME, "1")
    ledger.close(ledger.begin("reject", "1", "a reason"), "done")
    assert not is_unheard(tmp_path, NAME, "1")


def test_what_is_not_the_challenger_or_not_registered_is_nobody_s_business(client, tmp_path):
    assert not is_unheard(tmp_path, NAME, "2")
    assert not is_unheard(tmp_path, "another", "1")


def test_the_challenger_of_a_recorded_run_is_announced_as_long_as_it_is_unheard_of(
    client, ledger, tmp_path, monkeypatch
):
    told = []
    monkeypatch.setattr(lifecycle, "emit", lambda *words: told.append(words))
    run = Run(3, "c0ffee", {"Version": f"{NAME}/1", "MLflow-run": "abc"})
    assert lifecycle.announce_unheard.fn(tmp_path, run)
    assert told == [("espalier.challenger", NAME, {"version": "1", "mlflow_run": "abc"})]
    ledger.begin("promote", "1", "")
    assert not lifecycle.announce_unheard.fn(tmp_path, run)
    assert not lifecycle.announce_unheard.fn(tmp_path, Run(4, "c0ffee", {"MLflow-run": "abc"}))
    assert len(told) == 1
