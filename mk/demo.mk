# The demonstration: DEMO_SECONDS (20) of driving, DEMO_CLIENTS (400) clients of each server (see demo/run.py).
.PHONY: demo
demo: ## two servers on greenrt, hundreds of clients, 20 seconds
	python3 demo/run.py
