"""The demo: three sandbox marketplaces with shoppers, and the daemon that serves them, on one machine."""

from scheduler.demo.run import DemoOptions, run_demo

__all__ = ["DemoOptions", "run_demo"]
