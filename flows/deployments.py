"""The deployments of prefect.yaml for workers on other machines, which fetch code and data before each run.

`python -m flows.deployments > deploy/prefect.yaml`; what is deployed, and when, stands in prefect.yaml alone.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

__all__ = ["elsewhere", "main"]

_HEAD = """\
# For workers on other machines (docs/how-to/deploy.md). Made from prefect.yaml: python -m flows.deployments
#   prefect --no-prompt deploy --all --prefect-file deploy/prefect.yaml
name: espalier

# Each worker's environment says what is cloned, unless they are set where the deployments are made:
# ESPALIER_REPOSITORY, ESPALIER_BRANCH. What no remote has yet, the run makes.
pull:
  - prefect.deployments.steps.git_clone:
      id: clone
      repository: "{{ $ESPALIER_REPOSITORY }}"
      branch: "{{ $ESPALIER_BRANCH }}"
      clone_directory_name: workspace
  - prefect.deployments.steps.run_shell_script:
      script: dvc pull --run-cache --allow-missing
      directory: "{{ clone.directory }}"
  - prefect.deployments.steps.set_working_directory:
      directory: "{{ clone.directory }}"

"""
_SHARED = "definitions:\n"
_COMMAND = re.compile(
    r"(?:^  #.*\n)*(^  pool:.*\n(?:^    \w+: .*\n)*)^    job_variables:\n(?:^      .*\n)+", re.MULTILINE
)
"""The pool with its command: a run that fetches its code begins in another process than the flow."""


def elsewhere(settings: str) -> str:
    """Return the text of a prefect.yaml with steps that fetch code and data in place of its own."""
    _, shared, rest = settings.partition(_SHARED)
    return _HEAD + shared + _COMMAND.sub(r"\1", rest)


def main() -> None:
    """Write what prefect.yaml in the current folder states to standard output."""
    sys.stdout.write(elsewhere(Path("prefect.yaml").read_text(encoding="utf-8")))


if __name__ == "__main__":
    main()
