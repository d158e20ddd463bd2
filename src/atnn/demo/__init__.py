"""The whole way in one call, from quantum chemistry to an infrared spectrum and its report."""

from atnn.demo.run import DemoResult, run_demo
from atnn.demo.settings import DemoSettings

__all__ = ["DemoResult", "DemoSettings", "run_demo"]
