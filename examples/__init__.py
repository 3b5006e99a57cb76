"""A workspace for each kind of problem, and what makes the tables of their READMEs."""
