"""Product photos and titles: matching, search and similar products."""
