"""Engine, tables, migrations, outbox, leases."""
