"""From a registered challenger to the champion: evidence, alias moves, and the ledger of both."""
