from contextlib import contextmanager

from flows import scheduled
from tasks.versioning import Run


def test_a_run_without_changes_announces_the_challenger_that_a_killed_one_left(tmp_path, monkeypatch):
    @contextmanager
    def alone(root, hours):
        yield tmp_path

    last, told = Run(1, "c0ffee", {"Version": "digits/1", "MLflow-run": "abc"}), []
    monkeypatch.setattr(scheduled, "_alone", alone)
    monkeypatch.setattr(scheduled.pipeline, "last_run", lambda root: last)
    monkeypatch.setattr(scheduled.pipeline, "what_changed", lambda root, run: ())
    monkeypatch.setattr(scheduled.lifecycle, "announce_unheard", lambda *words: told.append(words))
    ended = scheduled.compress.fn()
    assert (ended.name, told) == ("Nothing changed", [(tmp_path, last)])
