"""Search over catalogues: vectors, words, filters, and what people bought."""
