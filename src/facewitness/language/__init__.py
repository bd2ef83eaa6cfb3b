"""Words for findings: template explanations grounded in what was measured."""
