"""The report on a lesson for its teacher: the class first, individuals only with their consent."""
