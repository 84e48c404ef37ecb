"""Measures servers under load: closed and open loops, histograms, what the server says of itself."""
