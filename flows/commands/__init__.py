"""The commands of `espalier`, by what they are for; bodies are elsewhere."""
