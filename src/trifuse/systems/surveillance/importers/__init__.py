"""Importers of surveillance videos; `trifuse.importing` finds them and says what such a module is."""

WRITES = ()
IMPORTABLE = "videos that can be read, with the class of each moment"
