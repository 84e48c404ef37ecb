"""Importers of recordings of learners; `trifuse.importing` finds them and says what such a module is."""

WRITES = ()
IMPORTABLE = "clips that can be read, with the attention of the learner"
