"""The split-plan engine: rules as data, a waterfall over one line, and the entries it becomes. Pure."""
