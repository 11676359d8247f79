"""Parts that every wing uses: files, errors, frontiers, quantities, components by name."""
