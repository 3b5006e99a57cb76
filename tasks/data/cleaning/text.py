"""Text columns: a vocabulary with inverse document frequencies, or hash buckets."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pandas as pd

from tasks.data.cleaning.decisions import Decision
from tasks.data.config import TextConfig
from tasks.data.encoding import tokens

__all__ = ["fit_text"]


def fit_text(
    cells: pd.Series, config: TextConfig, missing: Sequence[str]
) -> tuple[dict[str, Any], list[Decision]]:
    """Return the encoding entry of a text column.

    Terms are words of two or more characters, weighted ``count * (log((1 + n) / (1 + df)) + 1)`` and scaled
    to unit length (Salton & Buckley, 1988, in scikit-learn's smoothed form); hashed terms count +1 or -1 in
    one of `width` buckets (Weinberger et al., 2009).
    """
    name = str(cells.name)
    entry: dict[str, Any] = {"source": name, "kind": "text", "method": config.method}
    if config.method == "hashed":
        outputs = [f"{name}#{bucket}" for bucket in range(config.width)]
        return entry | {"width": config.width, "outputs": outputs}, []
    seen = _document_frequencies(cells.dropna().astype(str), missing)
    found = len(seen)
    seen = Counter({term: count for term, count in seen.items() if count > 1})
    terms = sorted(sorted(seen, key=lambda term: (-seen[term], term))[: config.width])
    idf = [math.log((1 + len(cells)) / (1 + seen[term])) + 1 for term in terms]
    decision = Decision(
        "terms left out", name, found - len(terms), f"in one row only, or past {config.width}"
    )
    return (
        entry | {"terms": terms, "idf": idf, "outputs": [f"{name}:{term}" for term in terms]},
        [decision] if decision.count else [],
    )


def _document_frequencies(documents: pd.Series, missing: Sequence[str]) -> Counter[str]:
    seen: Counter[str] = Counter()
    for document in documents:
        if document.strip() not in missing:
            seen.update(set(tokens(document)))
    return seen
