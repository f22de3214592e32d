"""The page: files that a browser gets. What they show they ask of REST like anybody else."""
