"""Template: whether something moves, from windows of video, sound and text."""
