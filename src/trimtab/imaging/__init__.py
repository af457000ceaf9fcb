"""Images for training, serving and the edge: decoded, fitted and described by the same code everywhere."""
