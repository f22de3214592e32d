"""Work sessions: what somebody looked at while they looked for something, and what they found."""
