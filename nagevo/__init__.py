"""Learn the accuracy–latency frontier once, then answer any budget by inference."""
