"""Fewer columns and fewer rows: what the data lose before a network is trained."""
