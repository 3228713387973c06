//! ioctl.
