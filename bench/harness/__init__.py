"""The parts of bench/run.py: what is measured (subjects, rows), how (build, process, echo) and the report."""
