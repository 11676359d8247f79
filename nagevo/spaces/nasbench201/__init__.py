"""The cells of NAS-Bench-201: space, networks, the mixture network of all cells."""
