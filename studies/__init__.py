"""Studies of the project itself: simulations, power of alerts, credibility of the sample."""
