"""Everything between an exported system and a running Triton server."""
