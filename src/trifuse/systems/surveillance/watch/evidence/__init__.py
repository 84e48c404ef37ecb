"""What is kept of an incident: a picture of its moment, and a clip of the seconds before and after."""
