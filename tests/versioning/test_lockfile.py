"""dvc.lock must read the same whichever of the two writers wrote it."""

import re

import pytest
from dvc.repo import Repo
from dvc.utils.serialize import dumps_yaml
from hypothesis import assume, given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from tasks.versioning import lockfile

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(blacklist_categories=["Cs", "Cc"]))
    | st.dates()
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab:- ", max_size=3), inner)
)


words = st.sampled_from(
    ["data/raw.json", "no", "NULL", "1e5", "e1", "a b", "0x1f", "-", ".5", ".env", "a: b", "data/" + 95 * "x"]
) | st.integers(55, 80).map("x".__mul__)
hashes = st.text("0123456789e", min_size=32, max_size=32) | st.text(
    "0123456789abcdef", min_size=32, max_size=32
)
files = st.lists(
    st.dictionaries(
        st.sampled_from(["path", "hash", "md5", "size", "isexec"]),
        words | hashes | hashes.map("{}.dir".format) | scalars,
        min_size=1,
    ),
    max_size=3,
)
entries = st.fixed_dictionaries(
    {
        "cmd": st.just("run"),
        "deps": files,
        "params": st.fixed_dictionaries({"params.yaml": st.dictionaries(st.just("key"), values)}),
        "outs": files,
    }
)


def through_dvc(text, entry):
    """What DVC's `Lockfile.dump` does to a text."""
    held = YAML().load(text) or {"schema": "2.0"}
    held.setdefault("stages", {}).update(entry)
    return dumps_yaml(held)


@given(st.lists(st.tuples(st.sampled_from(["one", "two", "1"]), entries), max_size=3))
def test_a_lock_file_is_the_one_dvc_would_write(written):
    ours = theirs = ""
    for name, entry in written:
        ours, theirs = lockfile.spliced(ours, {name: entry}), through_dvc(theirs, {name: entry})
        assume(
            "#" not in ours and not re.search(r"\d[eE][-+]?\d", ours)
        )  # DVC rounds exponents of its neighbours

    assert ours == theirs


@given(entries)
def test_a_run_is_written_as_dvc_writes_it(run):
    assert lockfile.run_text(run) == dumps_yaml(run)


@pytest.mark.parametrize("length", [60, 61, 68, 69, 72, 73, 100])
def test_a_long_path_is_broken_where_dvc_breaks_it(length):
    entry = {"deps": [{"path": length * "x", "hash": "md5"}]}

    assert lockfile.run_text(entry) == dumps_yaml(entry)
    assert lockfile.spliced("", {"one": entry}) == through_dvc("", {"one": entry})


def test_a_neighbours_exponent_is_kept_to_the_last_digit():
    text = lockfile.spliced("", {"one": {"value": 4.837738353038577e16}})

    assert lockfile.spliced(text, {"two": {}}).startswith(text)


@pytest.fixture
def repo(tmp_path):
    (tmp_path / "dvc.yaml").write_text("stages:\n  one:\n    cmd: touch out\n    outs: [out]\n")
    with Repo.init(str(tmp_path), no_scm=True) as repo:
        yield repo


@pytest.mark.parametrize("comment", ["", "# kept\n"])
def test_an_entry_is_added_beside_the_others(repo, tmp_path, comment, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lock = tmp_path / "dvc.lock"
    before = f"{comment}schema: '2.0'\nstages:\n  other:\n    cmd: echo\n"
    lock.write_text(before)
    stage = lockfile.load_stage(repo, "one")

    lockfile.save_stage(stage)

    assert (
        lock.read_text()
        == f"{before}  one:\n    cmd: touch out\n    outs:\n    - path: out\n      hash: md5\n"
    )


def test_a_changed_graph_is_read_anew(repo, tmp_path):
    lockfile.load_stage(repo, "one")
    (tmp_path / "dvc.yaml").write_text("stages:\n  one:\n    cmd: echo\n")

    assert lockfile.load_stage(repo, "one").cmd == "echo"


def test_a_loaded_stage_does_not_leak_into_the_next_load(repo):
    lockfile.load_stage(repo, "one").outs.clear()

    assert [str(out) for out in lockfile.load_stage(repo, "one").outs] == ["out"]
