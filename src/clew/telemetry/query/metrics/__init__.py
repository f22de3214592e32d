"""Questions about metrics: points, series, rates, histograms."""
