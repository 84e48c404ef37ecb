"""What was told of the incidents of annotated recordings: matching, reading, figures."""
