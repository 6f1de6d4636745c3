"""`wto plan`: check, show, schema, new, forecast, draft."""
