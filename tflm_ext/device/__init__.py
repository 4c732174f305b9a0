"""Talks to a device that runs an exported model, over its serial protocol."""

from tflm_ext.device.client import Device, SelfTest
from tflm_ext.device.protocol import DeviceInfo

__all__ = ["Device", "DeviceInfo", "SelfTest"]
