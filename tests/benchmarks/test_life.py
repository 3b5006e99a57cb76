from benchmarks.life import TARGETS, page


def test_the_page_tells_medians_their_spread_and_what_was_missed():
    seconds = {"nothing changed": [5.0, 6.0, 9.0], "gate": [29.0, 31.0, 40.0], "rollback": [4.0]}
    text = page({"seconds": seconds, "machine": {"cpu": "x"}, "load": 0.5})
    rows = {line.split("|")[1].strip(): line for line in text.splitlines() if line.startswith("| ")}
    assert set(TARGETS) <= set(rows)
    assert "6.0 (5.0 to 9.0, 3 rounds)" in rows["nothing changed"]
    assert "reached" in rows["rollback"]
    assert "missed" in rows["gate"]
