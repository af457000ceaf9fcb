"""What happens when something has happened: one file for each subscriber of events."""
