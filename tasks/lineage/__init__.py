"""Where a model comes from, whether that still holds, and the model made again from it."""
