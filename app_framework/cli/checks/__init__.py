"""What `af doctor` looks at: the installation, the node that would run here, and the machine."""
