"""Heat templates, rendered from what an engine asks for and what the hardware has. Pure; no engine is known here."""
