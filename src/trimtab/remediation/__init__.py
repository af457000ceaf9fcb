"""Incidents, diagnosis, policy, grants, verification. It decides and never executes."""
