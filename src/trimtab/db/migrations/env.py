"""Alembic's entry: migrates over the connection that `trimtab.db.migrate` hands in."""

from alembic import context

from trimtab.db.tables import metadata

# Alembic runs this file under a name of its own; a collector of doctests imports it, with nothing to migrate.
if __name__ == "env_py":
    context.configure(
        connection=context.config.attributes["connection"], target_metadata=metadata, render_as_batch=True
    )
    context.run_migrations()
