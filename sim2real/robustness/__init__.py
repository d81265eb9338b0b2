"""Which worlds a policy bears: whether a Variant lies in what it was trained on, and which quantities break it."""
