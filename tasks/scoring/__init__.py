"""Batch scoring: rows of a file or a query in, answers out, in chunks; killed, it goes on where it was."""
