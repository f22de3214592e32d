"""The write-ahead log: its files byte for byte, written by one thread, read back after a crash."""
