"""A workspace over the years: saved, brought back, kept small."""
