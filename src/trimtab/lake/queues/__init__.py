"""Queues that bring deliveries to ingest: the port, and the embedded one."""
