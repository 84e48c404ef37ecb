"""Watching cameras: from streams to windows, scores, alerts, and to whoever has to know."""
