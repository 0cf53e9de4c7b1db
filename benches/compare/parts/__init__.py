"""The parts of a run, each by itself: `measure(bench)` puts what it finds into `bench.found`, row by row."""
