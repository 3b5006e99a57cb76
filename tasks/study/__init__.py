"""Studies: many recipes on the same rows, their front, and what is worth what."""
