"""A study as Markdown, for the page of its run."""

from __future__ import annotations

from collections.abc import Callable

from tasks.tracking.facts import percent
from tasks.tracking.note import table_line
from tasks.tracking.study.candidate import Candidate
from tasks.tracking.study.facts import Study

__all__ = ["study_note", "study_sentence"]

SHOWN = 20
UNKNOWN = "-"


def study_sentence(study: Study) -> str:
    """Return what came out in one plain sentence."""
    rows = study.standing.rows
    seeds = max((len(row.trials) for row in rows), default=0)
    front = sum(row.on_front for row in rows)
    failed = sum(bool(row.failures) for row in rows)
    also = f", {failed} with failures" if failed else ""
    return f"{len(rows)} candidates with {seeds} seed(s) each, {front} on the Pareto front{also}"


def study_note(study: Study) -> str:
    """Return sentence, verdicts, the front as a table, picks and how to take one; plain text first."""
    front = [candidate for candidate in study.candidates if candidate.row.on_front]
    columns = _columns(study)
    lines = [table_line([title for title, _ in columns]), "|---" * len(columns) + "|"]
    lines += [table_line([show(candidate) for _, show in columns]) for candidate in front[:SHOWN]]
    more = [f"... and {len(front) - SHOWN} more."] if len(front) > SHOWN else []
    picked = [f"- {pick}: {c.name} (`{c.row.id}`)" for c in study.candidates for pick in c.picks]
    taking = "`espalier study --apply knee` writes that recipe to params.yaml and runs it; any id does."
    found = [f"- {sentence}" for sentence in study.verdicts]
    parts = [[study_sentence(study) + "."], found, [*lines, *more], picked, [taking]]
    return "\n\n".join("\n".join(part) for part in parts if part)


def _columns(study: Study) -> list[tuple[str, Callable[[Candidate], str]]]:
    key, scale = percent(study.headline)
    unit = " %" if key.endswith("_pct") else ""

    def quality(candidate: Candidate) -> str:
        spread = candidate.row.spread
        mean = _shown(candidate.row.valid.get(study.headline), scale, ".4g")
        return mean if spread is None else f"{mean} \N{PLUS-MINUS SIGN} {scale * spread:.2g}"

    return [
        ("candidate", lambda c: c.name),
        (f"valid {study.headline}{unit}", quality),
        (f"test {study.headline}{unit}", lambda c: _shown(c.row.test.get(study.headline), scale, ".4g")),
        ("bytes", lambda c: _shown(c.row.bytes, 1.0, ",.0f")),
        ("latency us", lambda c: _shown(c.row.latency_us, 1.0, ".1f")),
        ("training s", lambda c: _shown(c.row.train_seconds, 1.0, ".1f")),
    ]


def _shown(value: float | None, scale: float, form: str) -> str:
    return UNKNOWN if value is None else f"{scale * value:{form}}"
