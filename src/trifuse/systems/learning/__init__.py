"""Learning analytics: what learners do and how much they attend, window by window."""
