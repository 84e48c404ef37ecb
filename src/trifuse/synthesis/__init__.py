"""Makes recordings that were never filmed: movies, sounds and voices for generated data."""
