"""What the importers of surveillance videos share: cutting them into windows, writing the manifest's rows."""
