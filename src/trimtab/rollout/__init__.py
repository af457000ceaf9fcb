"""Progressive delivery: the state machine and its analysis."""
