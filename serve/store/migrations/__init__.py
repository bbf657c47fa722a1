"""The store's migrations (Alembic); run by ``alliance serve --store`` and ``alliance store``."""
