import os
import shutil
import sqlite3
import subprocess
import sys
import tarfile
import threading
from contextlib import closing

import pytest

from tasks import versioning
from tasks.errors import EspalierError
from tasks.keeping import backup as module
from tasks.keeping.archive import Archive
from tasks.keeping.backup import alone, backup
from tasks.keeping.databases import copy_database
from tasks.keeping.restore import check, restore
from tests.keeping.conftest import Records, git


@pytest.fixture
def saved(records, tmp_path):
    path, _ = backup(records.root, tmp_path / "saved.tar")
    return path


def test_a_backup_restored_elsewhere_has_runs_files_objects_and_recorded_runs(records, other, saved):
    facts = restore(other.root, saved)
    assert other.files() == {"first": "a result"}
    assert str(records.root) not in str(other.recorded())
    assert (other.state / "remote" / "files" / "ab").read_text() == "an object"
    assert git(other.root, "rev-parse", "refs/espalier/runs/1") == git(records.root, "rev-parse", "HEAD")
    assert (facts["runs"], facts["versions"], facts["recorded_runs"], facts["in_git"]) == (1, 1, 1, True)


def test_what_is_restored_does_not_need_the_old_place(records, other, saved):
    records.root.rename(records.root.with_name("gone"))
    restore(other.root, saved)
    assert other.files() == {"first": "a result"}


def test_a_workspace_that_was_moved_is_led_to_its_files_again(records, tmp_path):
    records.root.rename(tmp_path / "moved")
    moved = Records(tmp_path / "moved")
    with pytest.raises(FileNotFoundError):
        moved.files()
    path, _ = backup(moved.root, tmp_path / "saved.tar")
    restore(moved.root, path, force=True)
    assert moved.files() == {"first": "a result"}


def test_what_a_copied_workspace_recorded_into_the_folder_of_the_original_is_saved_too(records, tmp_path):
    copy = Records(shutil.copytree(records.root, tmp_path / "copy"))
    shutil.rmtree(copy.state / "mlflow" / "artifacts" / "first")
    path, _ = backup(copy.root, tmp_path / "saved.tar")
    restore(copy.root, path, force=True)
    records.root.rename(tmp_path / "gone")
    assert copy.files() == {"first": "a result"}


def test_what_is_recorded_while_the_backup_is_made_is_whole_or_absent(records, other, tmp_path, monkeypatch):
    """Somebody records a result before each part is saved: those that the copy names have their files."""
    numbers = iter(range(100))

    def meanwhile(work):
        def done(*arguments):
            records.record(f"meanwhile {next(numbers)}")
            return work(*arguments)

        return done

    monkeypatch.setattr(module, "copy_database", meanwhile(copy_database))
    monkeypatch.setattr(Archive, "add_folder", meanwhile(Archive.add_folder))
    path, facts = backup(records.root, tmp_path / "saved.tar")
    restore(other.root, path)
    assert set(other.files()) == {"first", "meanwhile 0"}
    assert len(records.recorded()) > facts["runs"] == 2


def test_a_copied_database_holds_whole_transactions_and_its_writer_never_waits_in_vain(records, tmp_path):
    stop, failed = threading.Event(), []

    def write():
        try:
            with closing(sqlite3.connect(records.database, timeout=60)) as connection:
                connection.execute("PRAGMA synchronous=OFF")
                while not stop.is_set():
                    with connection:
                        connection.executemany("INSERT INTO pairs VALUES (?)", [(1,), (2,)])
        except sqlite3.Error as error:
            failed.append(error)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(2):
            copy = tmp_path / f"{number}.db"
            copy_database(records.database, copy)
            with closing(sqlite3.connect(copy)) as connection:
                ones, twos = (
                    connection.execute("SELECT count(*) FROM pairs WHERE number = ?", (n,)).fetchone()[0]
                    for n in (1, 2)
                )
            assert ones == twos
    finally:
        stop.set()
        writer.join()
    assert failed == []


def test_a_database_with_a_write_ahead_log_is_copied_with_what_is_in_the_log(records, tmp_path):
    with closing(sqlite3.connect(records.database)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        with connection:
            connection.execute("INSERT INTO pairs VALUES (7)")
        copy_database(records.database, tmp_path / "copy.db")
    with closing(sqlite3.connect(tmp_path / "copy.db")) as connection:
        assert connection.execute("SELECT number FROM pairs").fetchall() == [(7,)]
    assert not (tmp_path / "copy.db-wal").exists()


def test_a_damaged_database_is_no_backup(records, tmp_path):
    with records.database.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 4096)
    with pytest.raises(EspalierError, match=r"mlflow\.db: (is damaged|could not be copied)"):
        backup(records.root, tmp_path / "saved.tar")
    assert list(tmp_path.glob("saved*")) == []


def test_a_backup_that_is_there_is_replaced_with_force_alone(records, saved):
    before = saved.read_bytes()
    with pytest.raises(EspalierError, match="is there already"):
        backup(records.root, saved)
    assert saved.read_bytes() == before
    records.record("second")
    assert backup(records.root, saved, force=True)[1]["runs"] == 2


def test_a_folder_gets_a_file_named_by_workspace_and_time(records, tmp_path):
    (tmp_path / "backups").mkdir()
    path, _ = backup(records.root, tmp_path / "backups")
    assert path.parent == tmp_path / "backups"
    assert path.name.startswith("espalier-workspace-20")
    assert check(path)["runs"] == 1


def test_a_gzipped_backup_is_smaller_and_restored_alike(records, other, saved, tmp_path):
    packed, _ = backup(records.root, tmp_path / "saved.tar.gz")
    assert packed.stat().st_size < saved.stat().st_size
    restore(other.root, packed)
    assert other.files() == {"first": "a result"}


KILLED = """
import os, sys
from pathlib import Path
from tasks.keeping import backup
from tasks.keeping.archive import Archive
Archive.close = lambda *_: os.kill(os.getpid(), 9)
backup.backup(Path(sys.argv[1]), Path(sys.argv[2]))
"""


def test_a_backup_killed_before_its_end_is_not_there_and_the_next_one_is_whole(records, tmp_path):
    target = tmp_path / "saved.tar"
    ended = subprocess.run([sys.executable, "-c", KILLED, str(records.root), str(target)], check=False)
    assert ended.returncode == -9
    assert not target.exists()
    with pytest.raises(EspalierError, match="no whole backup"):
        check(target.with_name("saved.tar.partial"))
    backup(records.root, target)
    assert check(target)["runs"] == 1
    assert list(tmp_path.glob("*.partial")) == []


@pytest.mark.parametrize("name", ["saved.tar", "saved.tar.gz"])
def test_half_of_a_backup_is_never_taken_for_a_whole_one(records, other, tmp_path, name):
    path, _ = backup(records.root, tmp_path / name)
    whole = path.read_bytes().rstrip(b"\0")  # without what fills its last block
    for share in (0.2, 0.5, 0.9):
        path.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(EspalierError, match="no whole backup"):
            restore(other.root, path)
    assert not (other.state / "mlflow").exists()


def test_a_file_that_is_damaged_is_named_and_nothing_changed(records, other, saved):
    data = saved.read_bytes()
    assert data.count(b"a result") == 1
    saved.write_bytes(data.replace(b"a result", b"b result"))
    with pytest.raises(EspalierError, match=r"artifacts/first/model\.onnx is damaged"):
        restore(other.root, saved)
    with pytest.raises(EspalierError, match="is damaged"):
        check(saved)
    assert not (other.state / "mlflow").exists()


def test_a_file_outside_its_folder_is_refused(records, other, tmp_path, monkeypatch):
    real, objects = module.places, records.state / "remote"
    monkeypatch.setattr(module, "OBJECTS", "../out")
    monkeypatch.setattr(module, "places", lambda root: {**real(root), "../out": objects})
    path, _ = backup(records.root, tmp_path / "saved.tar")
    with pytest.raises(EspalierError, match="outside its folder"):
        restore(other.root, path)
    assert not (other.state / "out").exists()


def test_records_that_are_there_are_replaced_with_force_alone(records, other, saved):
    restore(other.root, saved)
    other.record("of my own")
    with pytest.raises(EspalierError, match="records here already"):
        restore(other.root, saved)
    assert "of my own" in other.files()
    restore(other.root, saved, force=True)
    assert set(other.files()) == {"first"}
    assert not (other.state / "keeping").exists()


def test_other_runs_under_the_same_numbers_stop_a_restore_before_it_changes_anything(other, saved):
    git(other.root, "commit", "-q", "--allow-empty", "-m", "another")
    git(other.root, "update-ref", "refs/espalier/runs/1", "HEAD")
    with pytest.raises(EspalierError, match="other runs are recorded here"):
        restore(other.root, saved)
    assert not (other.state / "mlflow").exists()
    restore(other.root, saved, force=True)
    assert git(other.root, "rev-parse", "refs/espalier/runs/1") != git(other.root, "rev-parse", "HEAD")


def test_without_a_repository_the_records_come_alone_and_the_bundle_can_be_cloned(records, saved, tmp_path):
    place = tmp_path / "bare"
    place.mkdir()
    assert not restore(place, saved)["in_git"]
    assert (place / ".espalier" / "mlflow" / "mlflow.db").exists()
    with tarfile.open(saved) as tar:
        tar.extract("repository.bundle", tmp_path, filter="data")
    git(tmp_path, "clone", "-q", "repository.bundle", "again")
    assert git(tmp_path / "again", "rev-parse", "HEAD") == git(records.root, "rev-parse", "HEAD")


def test_a_shared_remote_is_no_part_of_a_backup_and_named(records, tmp_path):
    versioning.set_remote(records.root, str(tmp_path / "shared"), {}, tmp_path)
    _, facts = backup(records.root, tmp_path / "saved.tar")
    assert facts["remote"] == str(tmp_path / "shared")
    assert not any(name.startswith("remote/") for name in facts["files"])


def test_a_run_under_way_stops_a_restore_and_another_backup_a_backup(records, other, saved, tmp_path):
    with versioning.workspace_lock(other.root), pytest.raises(EspalierError, match="another run"):
        restore(other.root, saved)
    with alone(records.root), pytest.raises(EspalierError, match=r"another backup.*holds workspace"):
        backup(records.root, tmp_path / "second.tar")
    with versioning.workspace_lock(records.root):
        assert backup(records.root, tmp_path / "second.tar")[0].exists()


def test_a_workspace_without_records_has_nothing_to_save(other, tmp_path):
    git(other.root, "update-ref", "-d", "HEAD")
    with pytest.raises(EspalierError, match="nothing is recorded here yet"):
        backup(other.root, tmp_path / "saved.tar")


def test_a_backup_is_not_put_into_what_it_saves(records):
    with pytest.raises(EspalierError, match="name a place outside"):
        backup(records.root, records.state / "remote" / "saved.tar")


def test_a_file_that_changes_while_it_is_read_is_read_again(records, tmp_path, monkeypatch):
    from tasks.keeping import archive

    path = records.state / "mlflow" / "artifacts" / "first" / "model.onnx"
    copied, said = archive._copied, []

    def changing(source, write):
        digest = copied(source, write)
        if not said:
            said.append(path.write_text("another text"))
            os.utime(path, ns=(1, 1))
        return digest

    monkeypatch.setattr(archive, "_copied", changing)
    assert archive._steady(path, tmp_path / "copy") == copied(path.open("rb"), lambda _: None)
    assert (tmp_path / "copy").read_text() == "another text"
