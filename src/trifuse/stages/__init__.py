"""The stages of the build chain: each reads the manifest of the stage before it and writes its own."""
