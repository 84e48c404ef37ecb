"""Importers of product data; `trifuse.importing` finds them and says what such a module is."""

WRITES = ("transactions.csv", "queries.jsonl")
IMPORTABLE = "products with a photo and a name"
