"""Talks to a device that runs an exported model, over its serial protocol."""

from tflm_ext.device.client import Device, SelfTest
from tflm_ext.device.protocol import DeviceEvent, DeviceInfo

__all__ = ["Device", "DeviceEvent", "DeviceInfo", "SelfTest"]
