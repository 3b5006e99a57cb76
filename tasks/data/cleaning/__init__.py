"""What the cleaner learns from the training rows, one idea a module."""
