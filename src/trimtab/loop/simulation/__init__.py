"""The loop on a recorded table, under a simulated clock."""
