"""Compression: smaller models that compute nearly the same, and the report of what each step brought."""
