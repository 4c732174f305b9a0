"""A device that runs an exported model, and the serial protocol that it speaks."""

from tflm_ext.device.client import Device, SelfTest
from tflm_ext.device.protocol import DeviceInfo

__all__ = ["Device", "DeviceInfo", "SelfTest"]
