"""AutoShrink's recurrent cells: space, networks and supernet."""
