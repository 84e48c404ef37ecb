"""A classroom that was never filmed: learners, what they do, and how that looks and sounds."""
