"""The whole way in one call, from quantum chemistry to infrared and Raman spectra and their report."""

from atnn.demo.run import DemoResult, run_demo
from atnn.demo.settings import DemoSettings

__all__ = ["DemoResult", "DemoSettings", "run_demo"]
