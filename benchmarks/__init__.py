"""Benchmarks: ratios measured side by side in one run, never pass/fail on wall time."""
