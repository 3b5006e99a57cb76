"""Answers over HTTP: MLflow's scoring app on a version of the model, exchanged while it serves."""
