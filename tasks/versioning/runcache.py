"""DVC's cache of runs, its entries written as DVC writes them, in a tenth of the time."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from dvc.stage import PipelineStage
from dvc.stage.cache import StageCache, _can_hash, _get_cache_hash, _get_stage_hash
from dvc.stage.serialize import to_single_stage_lockfile

from tasks.files import write_text
from tasks.versioning.lockfile import run_text

__all__ = ["RunCache"]


class RunCache(StageCache):  # type: ignore[misc]
    """DVC's own but for `save`, and for what a kill leaves."""

    def _load(self, stage: PipelineStage) -> Any:
        """Find a stage's newest run; DVC stumbles over a folder that was made for one and is empty."""
        key = _get_stage_hash(stage)
        if key:
            with suppress(OSError):  # not there, or not empty
                Path(self._get_cache_dir(key)).rmdir()
        return super()._load(stage)

    def save(self, stage: PipelineStage) -> None:
        """Add the run just made, as `StageCache.save` does; a run that is there already is left to it."""
        if not _can_hash(stage):
            return
        run = to_single_stage_lockfile(stage)
        path = Path(self._get_cache_path(_get_stage_hash(stage), _get_cache_hash(run)))
        if path.exists():
            super().save(stage)
            return
        for out in self._uncached_outs(stage, run):
            out.commit()
        self.repo.cache.legacy.makedirs(str(path.parent))
        write_text(path, run_text(run))
