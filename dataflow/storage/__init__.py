"""The only place that opens files; `configure` says how those of remote storages are read."""

from dataflow.storage.settings import Settings, configure, settings

__all__ = ["Settings", "configure", "settings"]
