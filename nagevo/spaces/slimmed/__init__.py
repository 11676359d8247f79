"""The slimmer versions of a user's own trained network."""
