"""What is filmed: short clips, takes of a minute or so, and long recordings, each from a source."""
