"""``nagevo step …``: the commands that the workflow's rules call, one module each."""
