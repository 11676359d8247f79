"""AutoShrink's cells: space and networks."""
