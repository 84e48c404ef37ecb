"""The catalogue's index: vectors by key, with attributes to filter by. To serve it takes numpy and faiss."""
