//! What the registers of every transport lead to [VIRTIO 2.1, 2.2]: status, features, queues. How they are laid out, and how the
//! driver is interrupted, is the transport's.

use super::{
    Broken, Model, Queue, QueueIo, STATUS_DRIVER_OK, STATUS_FEATURES_OK, STATUS_NEEDS_RESET,
    TRANSPORT_FEATURES, VERSION_1,
};
use serde::{Deserialize, Serialize};
use softmmu_core::device::Endian;
use softmmu_core::dma::Dma;
use softmmu_core::log;
use std::sync::Arc;

/// Interrupt status: a queue; the configuration.
pub(super) const ISR_QUEUE: u8 = 1;
pub(super) const ISR_CONFIG: u8 = 2;
/// No interrupt message, where a transport has them.
pub(super) const NO_VECTOR: u16 = 0xffff;

/// What the driver and the device have agreed on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct State {
    pub status: u8,
    pub isr: u8,
    pub driver_features: u64,
    /// Which halves of the features are seen: the device's, the driver's.
    pub feature_select: [u32; 2],
    pub queue_select: u32,
    pub config_vector: u16,
    pub queues: Vec<Queue>,
    /// The driver uses the interface of before version 1.
    pub legacy: bool,
}

impl State {
    pub(super) fn new(queues: &[u16]) -> State {
        State {
            status: 0,
            isr: 0,
            driver_features: 0,
            feature_select: [0; 2],
            queue_select: 0,
            config_vector: NO_VECTOR,
            queues: queues.iter().map(|max| Queue::new(*max)).collect(),
            legacy: false,
        }
    }

    /// The selected queue.
    pub(super) fn queue(&self) -> Option<&Queue> {
        self.queues.get(self.queue_select as usize)
    }

    /// The same, to be changed.
    pub(super) fn queue_mut(&mut self) -> Option<&mut Queue> {
        self.queues.get_mut(self.queue_select as usize)
    }
}

/// One half of the features; there are two.
pub(super) fn half(value: u64, select: u32) -> u64 {
    match select {
        0 => value & 0xffff_ffff,
        1 => value >> 32,
        _ => 0,
    }
}

/// Replaces one half.
pub(super) fn set_half(cell: &mut u64, high: bool, value: u64) {
    *cell = match high {
        false => *cell & !0xffff_ffff | value & 0xffff_ffff,
        true => *cell & 0xffff_ffff | value << 32,
    };
}

/// A transport, as far as the rest needs to know it.
pub(super) trait Registers {
    /// Its name in messages.
    const NAME: &'static str;

    /// The device behind it, if there is one.
    fn model(&self) -> Option<&Arc<dyn Model>>;
    /// Memory, if it may be used.
    fn dma(&self) -> Option<Dma>;
    /// Whether the driver uses the interface of before version 1.
    fn is_legacy(&self, state: &State) -> bool {
        state.legacy
    }
    /// What numbers are in before version 1.
    fn guest_endian(&self) -> Endian;
    /// Tells the driver; `vector` is the message, if there are messages.
    fn interrupt(&self, state: &mut State, bit: u8, vector: u16);
    /// There is nothing to tell any more.
    fn calm(&self);

    fn features(&self) -> u64 {
        self.model().map_or(0, |m| m.features()) | TRANSPORT_FEATURES
    }

    fn endian(&self, state: &State) -> Endian {
        match self.is_legacy(state) && state.driver_features & VERSION_1 == 0 {
            true => self.guest_endian(),
            false => Endian::Little,
        }
    }

    fn reset_state(&self, state: &mut State) {
        let queues: Vec<u16> = state.queues.iter().map(|q| q.max).collect();
        *state = State::new(&queues);
        if let Some(model) = self.model() {
            model.reset();
        }
        self.calm();
    }

    /// Lets `work` have a queue, if the driver runs it. False: it does not.
    fn work(
        &self,
        state: &mut State,
        queue: usize,
        work: &mut dyn FnMut(&mut QueueIo<'_>) -> Result<(), Broken>,
    ) -> bool {
        let endian = self.endian(state);
        let runs = state.status & (STATUS_DRIVER_OK | STATUS_NEEDS_RESET) == STATUS_DRIVER_OK;
        let Some(dma) = self.dma().filter(|_| runs) else {
            return false;
        };
        let Some(q) = state.queues.get_mut(queue).filter(|q| q.ready) else {
            return false;
        };
        let mut io = QueueIo {
            queue: q,
            dma: &dma,
            endian,
            features: state.driver_features,
            notify: false,
        };
        let result = work(&mut io);
        let (notify, vector) = (io.notify, io.queue.vector);
        if notify {
            self.interrupt(state, ISR_QUEUE, vector);
        }
        if let Err(why) = result {
            log::guest_error(Self::NAME, || format!("the driver is broken: {}", why.0));
            state.status |= STATUS_NEEDS_RESET;
            let vector = state.config_vector;
            self.interrupt(state, ISR_CONFIG, vector);
        }
        true
    }

    /// The driver has given buffers in a queue.
    fn kick(&self, state: &mut State, queue: usize) {
        if let Some(model) = self.model() {
            self.work(state, queue, &mut |io| model.run(queue, io));
        }
    }

    fn set_status(&self, state: &mut State, value: u8) {
        if value == 0 {
            return self.reset_state(state);
        }
        let mut value = value & !STATUS_NEEDS_RESET | state.status & STATUS_NEEDS_RESET;
        let refused = state.driver_features & !self.features() != 0
            || !self.is_legacy(state) && state.driver_features & VERSION_1 == 0;
        if value & STATUS_FEATURES_OK != 0 && refused {
            value &= !STATUS_FEATURES_OK;
        }
        let starts = value & !state.status & STATUS_DRIVER_OK != 0;
        state.status = value;
        if starts {
            // Buffers may have been given before.
            for queue in 0..state.queues.len() {
                self.kick(state, queue);
            }
        }
    }
}
