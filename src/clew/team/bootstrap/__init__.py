"""What a TrailBase server must have for clew: the files, and a look at whether it has it."""
