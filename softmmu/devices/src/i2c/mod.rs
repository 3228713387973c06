//! The I2C bus, its controllers and what is connected to it.

mod bus;
mod calendar;
mod ds1338;
mod eeprom;
mod iic;
mod m41t80;
mod mpc_i2c;

pub use bus::{I2cBus, I2cTarget};

use crate::class::{Class, Place};
use softmmu_core::props::{Kind, Prop};

/// Where a target is on its bus.
const ADDRESS: Prop = Prop::new("address", Kind::Number(0x7f), "", "address on the bus");

/// Controllers and targets.
pub const CLASSES: &[Class] = &[
    Class {
        name: "mpc-i2c",
        aliases: &[],
        title: "Freescale's I2C controller",
        place: Place::System,
        props: &[],
        create: mpc_i2c::create,
    },
    Class {
        name: "ppc4xx-i2c",
        aliases: &[],
        title: "I2C controller of the 4xx parts",
        place: Place::System,
        props: &[],
        create: iic::create,
    },
    Class {
        name: "m41t80",
        aliases: &[],
        title: "M41T80 real-time clock",
        place: Place::I2c,
        props: &[ADDRESS],
        create: m41t80::create,
    },
    Class {
        name: "ds1338",
        aliases: &["ds1307", "pt7c4338"],
        title: "DS1338 real-time clock with 56 bytes of memory",
        place: Place::I2c,
        props: &[ADDRESS],
        create: ds1338::create,
    },
    Class {
        name: "at24c-eeprom",
        aliases: &[],
        title: "AT24C EEPROM, in memory",
        place: Place::I2c,
        props: &[
            ADDRESS,
            Prop::new("rom-size", Kind::Number(65536), "256", "bytes"),
            Prop::new(
                "address-size",
                Kind::Number(2),
                "1",
                "bytes of an address in it",
            ),
        ],
        create: eeprom::create,
    },
];
