"""How a batch of rows differs from the rows that a model was made from; pure, from counts and moments."""
