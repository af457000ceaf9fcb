"""Where the lake's bytes lie: in a folder, or in a bucket with a folder before it."""
