"""An experiment: its configuration, and the pipeline from search to generator."""
