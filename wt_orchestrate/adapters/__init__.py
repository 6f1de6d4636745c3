"""The outside world behind the ports. An adapter imports ports, domain and errors; never the engine, never another adapter."""
