from __future__ import annotations

import re

from tasks.artifacts import Layout, read_json
from tasks.config import apply_overrides
from tasks.stages import evaluate, measure

MODELS = ("reference", "reduced", "compressed")


def _run(root):
    evaluate.run(root)
    measure.run(root)
    return Layout(root)


def test_every_model_is_timed_in_both_runtimes(judged):
    report = read_json(_run(judged).report("measure"))
    assert set(report["latency"]) == set(MODELS)
    for found in report["latency"].values():
        assert 0 < found["p50_us"] <= found["p95_us"]
        assert min(found["rows_per_s"], found["eager_p50_us"], found["eager_rows_per_s"]) > 0
    for found in report["ratios"].values():
        for kind in ("batch1", "batch"):
            assert 0 < found[kind]["low"] <= found[kind]["ratio"] <= found[kind]["high"]


def test_seconds_are_those_of_the_stages_that_ran_here(copy_of):
    seconds = read_json(_run(copy_of("classification")).report("measure"))["seconds"]
    assert list(seconds) == ["fetch", "clean", "evaluate"]


def test_the_machine_is_described_without_host_or_paths(copy_of):
    report = read_json(_run(copy_of("classification")).report("measure"))
    assert set(report["machine"]) == {"cpu", "cores", "python", "torch", "onnxruntime", "platform"}
    assert not any(str(value).startswith("/") for value in report["machine"].values())


def test_the_page_fetches_nothing(judged):
    page = _run(judged).html.read_text(encoding="utf-8")
    own = re.sub(r"<script>(?s:.)*?</script>", "", page)
    assert not re.search(r"(src|href)=['\"]?(https?:)?//", own)
    assert "@import" not in page[: page.index("</style>")]
    assert not re.search(r"url\(", page[: page.index("</style>")])


def test_measuring_changes_nothing_that_evaluate_wrote(copy_of):
    root = copy_of("classification")
    evaluate.run(root)
    layout = Layout(root)
    files = [layout.report("evaluate"), layout.report("metrics"), *(layout.onnx(name) for name in MODELS)]
    before = [file.read_bytes() for file in files]
    measure.run(root)
    assert [file.read_bytes() for file in files] == before


def test_the_page_says_that_it_was_a_quick_look(copy_of):
    root = copy_of("classification")
    apply_overrides(root, ["evaluate.factor=0.5"])
    assert "A quick look: every test figure here rests on" in _run(root).html.read_text(encoding="utf-8")


def test_an_int8_model_is_timed_beside_float32(copy_of):
    root = copy_of("classification")
    layout = Layout(root)
    for file in layout.model("reference").iterdir():
        (layout.model("compressed") / file.name).write_bytes(file.read_bytes())
    apply_overrides(root, ["export.quantise.method=weights"])
    (found,) = read_json(_run(root).report("measure"))["alternatives"]
    assert found["what"] == "float32"
    assert "The file is int8 (weights)" in layout.html.read_text(encoding="utf-8")
