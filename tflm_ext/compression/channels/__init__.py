"""Channel pruning: fewer channels in every layer, and nothing else changed."""
