"""Where an answer comes from: endpoint, version, training, data, people; and telling other programs of it."""
