"""Heat templates, rendered by pure functions from the requirements of engines and the features of hardware."""
