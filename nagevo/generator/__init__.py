"""The budget-conditioned generator: the torch model, its distillation, the bundle on disk and its answers."""
