"""The template system's preprocessing step: windows of video, sound and text to encoder inputs."""

from trifuse.preprocessing.window import WindowPreprocessor as Preprocessor

__all__ = ["Preprocessor"]
