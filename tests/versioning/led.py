"""A repository with results that commits and refs lead to; nothing is computed."""

import hashlib
import os
import subprocess
import time

CONFIG = (
    "[core]\n    analytics = false\n    remote = storage\n"
    "['remote \"storage\"']\n    url = ../.espalier/remote\n"
)
GRAPH = "stages:\n  make:\n    cmd: make\n    outs: [out.txt]\n"
LOCK = """schema: '2.0'
stages:
  make:
    cmd: make
    outs:
    - path: out.txt
      hash: md5
      md5: {}
"""
LONG_AGO = time.time() - 100 * 86_400


def git(folder, *words):
    done = subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def workspace_with_a_commit(workspace):
    """Make a workspace without stages that run, with a result, committed."""
    (workspace / ".dvc").mkdir(parents=True)
    git(workspace, "init", "-q", "-b", "main")
    (workspace / ".dvc" / "config").write_text(CONFIG)
    (workspace / ".dvc" / ".gitignore").write_text("/tmp\n/cache\n/config.local\n")
    (workspace / ".gitignore").write_text("out.txt\n.espalier/\n")
    (workspace / "dvc.yaml").write_text(GRAPH)
    made(workspace, "the first")
    git(workspace, "add", "-A")
    git(workspace, "commit", "-q", "-m", "first")
    return workspace


def cache(root):
    return root / ".dvc" / "cache"


def stored(folder, text, suffix=""):
    """Put an object that was written long ago into a cache or a remote."""
    name = hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
    path = folder / "files" / "md5" / name[:2] / f"{name[2:]}{suffix}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (LONG_AGO, LONG_AGO))
    return name + suffix


def made(root, text):
    """Make a result: an object, and the dvc.lock that names it."""
    name = stored(cache(root), text)
    (root / "dvc.lock").write_text(LOCK.format(name))
    return name


def committed(root, text):
    made(root, text)
    git(root, "commit", "-q", "-am", text)
    return git(root, "rev-parse", "HEAD")


def back(root):
    """Leave the branch as it was after its first commit."""
    git(root, "reset", "-q", "--hard", git(root, "rev-list", "--max-parents=0", "HEAD"))
