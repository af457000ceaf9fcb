"""Who did what, when and why: an append-only log, chained by hash; its checkpoints and its verifier."""
