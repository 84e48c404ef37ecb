"""The abandoned-object branch: what stands still in a scene that was not there, and who left it."""
