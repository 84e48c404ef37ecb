"""Rendered surveillance footage: people, places, cameras, sounds and the movie files that hold them."""
