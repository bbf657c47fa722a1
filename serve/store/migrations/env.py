"""What Alembic runs: the steps that are missing, on the connection that it was handed."""

from alembic import context

from alliance.serve.store.tables import Base

context.configure(connection=context.config.attributes["connection"], target_metadata=Base.metadata)
context.run_migrations()
