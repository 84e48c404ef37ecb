"""The learning system's preprocessing step: windows of video, sound and transcript to encoder inputs."""

from trifuse.preprocessing.window import WindowPreprocessor as Preprocessor

__all__ = ["Preprocessor"]
