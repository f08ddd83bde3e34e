"""The service: the recommender over HTTP, and the page that shows it."""
