"""The stage functions in a plain script, no Prefect, DVC or MLflow: what the flow is measured against."""

from __future__ import annotations

from pathlib import Path

from tasks.stages import clean, evaluate, fetch, measure, prune, reduce, train


def main() -> None:
    """Run every stage in the current folder, in order."""
    root = Path.cwd()
    fetch.run(root)
    clean.run(root)
    train.run(root, "reference")
    reduce.run(root)
    train.run(root, "train")
    prune.run(root)
    evaluate.run(root)
    measure.run(root)


if __name__ == "__main__":
    main()
