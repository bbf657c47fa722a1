"""Published JSON Schemas of what ``alliance`` writes; read them with ``alliance.model.schema``."""
