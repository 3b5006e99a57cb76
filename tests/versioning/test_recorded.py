import pytest

from tasks.versioning.recorded import Kept, given, stages_of

LOCK = """
schema: '2.0'
stages:
  score:
    cmd: python score.py
    deps:
    - path: model
      md5: {model}
    - path: score.py
      md5: {code}
    params:
      params.yaml:
        seed: 1
    outs:
    - path: scores.csv
      md5: {scores}
  train:
    cmd: python train.py
    deps:
    - path: data/source.json
      md5: {source}
    - path: train.py
      md5: {code}
    outs:
    - path: model
      md5: {model}
""".format(model="a" * 32 + ".dir", code="b" * 32, scores="c" * 32, source="d" * 32)


def test_stages_come_in_an_order_in_which_they_can_run():
    assert list(stages_of(LOCK)) == ["train", "score"]


def test_a_stage_has_what_dvc_recorded_of_it():
    stage = stages_of(LOCK)["score"]
    assert (stage.cmd, stage.params) == ("python score.py", {"seed": 1})
    assert stage.outs == {"scores.csv": "c" * 32}


def test_given_is_what_no_stage_makes_and_no_run_writes():
    assert given(stages_of(LOCK)) == {"score.py": "b" * 32, "train.py": "b" * 32}


def test_nothing_recorded_is_no_stage():
    assert stages_of("") == {}


@pytest.mark.parametrize(
    ("cache", "remote", "lost"),
    [(0, 0, False), (1, 0, False), (0, 1, False), (1, 1, True), (1, None, True), (0, None, False)],
)
def test_an_output_is_lost_where_neither_place_has_all_of_it(cache, remote, lost):
    assert Kept(3, cache, remote).lost == lost
