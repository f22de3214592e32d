"""Comments on traces and spans: written durably, edited, listed, searched."""
