"""What every floor may use: errors, limits, clocks, times, ids. Standard library only."""
