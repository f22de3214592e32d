"""Where the tokens of a team's server are kept: the system's keyring, a sealed file, or memory."""
