"""What comes back from serving as data: schemas, journal, shipper."""
