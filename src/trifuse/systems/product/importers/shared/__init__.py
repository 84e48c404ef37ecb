"""What the importers share: the job with its counts, reading tables, checking photos, writing rows."""
