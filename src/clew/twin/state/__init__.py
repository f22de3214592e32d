"""What objects were: events to states, by the engine where it can and by the fold where it must."""
