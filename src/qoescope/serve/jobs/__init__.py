"""Jobs: the desk through which the console and the API read and write, and what runs them."""
