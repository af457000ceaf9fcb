"""What callers speak, each in a file; all over the one handler."""
