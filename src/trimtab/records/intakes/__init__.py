"""Where segments go: a folder, a control plane, a bucket."""
