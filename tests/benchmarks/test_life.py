import json

from benchmarks import life
from benchmarks.life import TARGETS, page


def test_the_page_tells_medians_their_spread_and_what_was_missed():
    seconds = {"nothing changed": [5.0, 6.0, 9.0], "gate": [29.0, 31.0, 40.0], "rollback": [4.0]}
    text = page({"seconds": seconds, "machine": {"cpu": "x"}, "load": 0.5})
    rows = {line.split("|")[1].strip(): line for line in text.splitlines() if line.startswith("| ")}
    assert set(TARGETS) <= set(rows)
    assert "6.0 (5.0 to 9.0, 3 rounds)" in rows["nothing changed"]
    assert "reached" in rows["rollback"]
    assert "missed" in rows["gate"]


def test_the_page_tells_what_a_run_of_kills_found(monkeypatch, tmp_path):
    found = {"seed": 3, "kills": 9, "of": {"compress by line": 9}, "missed": 1, "results": 2, "entries": 4}
    path = tmp_path / "soak.json"
    path.write_text(json.dumps({**found, "batches": 5, "wrong": ["version 2 twice"]}))
    monkeypatch.setattr(life, "SOAK", path)
    text = page({"seconds": {name: [1.0] for name in TARGETS}, "machine": {"cpu": "x"}, "load": 0.5})
    assert "9 times SIGKILL (9 compress by line)" in text
    assert "version 2 twice" in text
