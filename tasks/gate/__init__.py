"""The gate: what a challenger must show before it may answer in production."""
