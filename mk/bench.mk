# The benchmarks: everything is built and run by bench/run.py (see bench/README.md).
.PHONY: bench bench-quick
bench: ## every benchmark beside its peers; writes bench/RESULTS.md
	python3 bench/run.py $(BENCH_ARGS)

bench-quick: ## the same in two minutes, into bench/out
	python3 bench/run.py --quick $(BENCH_ARGS)

.PHONY: test-bench
test-bench: ## the promises of the benchmarks' harness; nothing is measured
	python3 bench/test_harness.py
