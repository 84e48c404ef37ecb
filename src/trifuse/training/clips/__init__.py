"""Training on windows of video, sound and text, for every system that looks at such windows."""
