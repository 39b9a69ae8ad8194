"""Contract suites: what every engine, metric and tracker must do, as classes of tests that plug-ins run, too."""
