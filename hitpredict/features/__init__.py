"""What tables of features hold, by kind."""
