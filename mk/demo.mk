# The demonstrations. `demo` serves until it is interrupted, or for DEMO_SECONDS (see demo/run.py); `demo-core` drives servers in
# C and of the standard library for DEMO_SECONDS, 20 without it (see demo/core/run.py).
.PHONY: demo demo-core
demo: ## a chat and a dashboard on Flask-SocketIO, a thousand devices; open the address that it prints
	python3 demo/run.py

demo-core: ## two servers on greenrt, one in C, hundreds of clients, 20 seconds
	python3 demo/core/run.py
