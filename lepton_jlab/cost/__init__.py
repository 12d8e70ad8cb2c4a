"""What work costs: the user's prices, and what a run's energy and hours come to with them."""
