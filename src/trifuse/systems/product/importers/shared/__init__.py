"""What the importers of product data share: checking photos."""
