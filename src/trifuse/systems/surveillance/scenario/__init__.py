"""What is staged for cameras: stories, who plays them, and what is heard and said meanwhile."""
