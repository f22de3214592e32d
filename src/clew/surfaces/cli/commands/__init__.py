"""Commands: each asks the server one thing and shows the answer. A module is imported when used."""
