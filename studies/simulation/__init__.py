"""Time simulated: applicants who change, a model that ages, and what is done about it."""
