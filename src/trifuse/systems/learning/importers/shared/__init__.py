"""What the importers of recordings of learners share: cutting clips into windows, writing the rows."""
