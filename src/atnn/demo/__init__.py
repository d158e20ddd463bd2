"""The whole way in one call: quantum chemistry in, an infrared spectrum and a report out."""

from atnn.demo.run import DemoResult, run_demo
from atnn.demo.settings import DemoSettings

__all__ = ["DemoResult", "DemoSettings", "run_demo"]
