"""What is kept outside the database: counters of limits."""
