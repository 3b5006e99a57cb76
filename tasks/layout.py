"""Where each file of a workspace lives."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["Layout"]


@dataclass(frozen=True)
class Layout:
    """Where each file of a workspace lives, see docs/architecture.md."""

    root: Path

    @property
    def params(self) -> Path:
        """Every tunable of the workspace."""
        return self.root / "params.yaml"

    @property
    def source(self) -> Path:
        """URI and content fingerprint of the source, what stage fetch depends on."""
        return self.root / "data" / "source.json"

    @property
    def raw(self) -> Path:
        """The source's rows as one Parquet table, original column names."""
        return self.root / "data" / "raw.parquet"

    @property
    def raw_meta(self) -> Path:
        """Target, task, grid and column types of the raw table."""
        return self.root / "data" / "raw.json"

    @property
    def cleaner(self) -> Path:
        """The fitted cleaner, plain JSON."""
        return self.root / "data" / "clean" / "cleaner.json"

    def rows(self, split: str) -> Path:
        """Clean rows of `split`: train, valid or test."""
        return self.root / "data" / "clean" / f"{split}.npz"

    @property
    def reduction(self) -> Path:
        """Folder of the fitted reduction."""
        return self.root / "data" / "reduced"

    def model(self, name: str) -> Path:
        """Folder of a trained graph: reference, reduced or compressed."""
        return self.root / "models" / name

    def export(self, name: str) -> Path:
        """Folder of an exported graph: model.onnx and serving.json."""
        return self.root / "models" / "export" / name

    def onnx(self, name: str) -> Path:
        """ONNX file of an exported graph."""
        return self.export(name) / "model.onnx"

    def serving(self, name: str) -> Path:
        """JSON part of an exported graph: what ONNX cannot express."""
        return self.export(name) / "serving.json"

    def profile(self, name: str) -> Path:
        """Folder beside an exported graph: what the rows it was made from look like."""
        return self.export(name) / "profile"

    def report(self, name: str) -> Path:
        """JSON report of a stage."""
        return self.root / "reports" / f"{name}.json"

    def plot(self, name: str) -> Path:
        """Plot data, CSV."""
        return self.root / "reports" / "plots" / f"{name}.csv"

    @property
    def html(self) -> Path:
        """The one self-contained report."""
        return self.root / "reports" / "report.html"

    @property
    def state(self) -> Path:
        """What is neither versioned nor committed: servers, timings, checkpoints."""
        return self.root / ".espalier"

    def checkpoints(self, key: str) -> Path:
        """Folder of a training's checkpoints; `key` is the fingerprint of its inputs."""
        return self.state / "checkpoints" / key

    def timing(self, stage: str) -> Path:
        """Seconds a stage last took."""
        return self.state / "timings" / f"{stage}.json"
