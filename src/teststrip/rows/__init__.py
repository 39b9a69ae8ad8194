"""What can be read off the rows of a study without statistics: items of a metric, grids, tables, curves, dead axes."""
