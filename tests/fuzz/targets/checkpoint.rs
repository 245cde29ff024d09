//! Any bytes as a file of a checkpoint, or as a PyTorch module to import. The first byte says which; the other files of the
//! checkpoint are whole.
#![no_main]

use candle_core::Device;
use fuzz::Scratch;
use trainer::{checkpoint, import};

/// The card of the weights among the seeds.
const CARD: &[u8] = include_bytes!("../seeds/checkpoint-card.json");

fuzz::target!(|bytes: &[u8]| {
    let Some((&choice, bytes)) = bytes.split_first() else { return };
    match choice % 4 {
        0 => {
            let folder = Scratch::folder_with("checkpoint", "training.json", bytes);
            if let Ok(position) = checkpoint::position(&folder) {
                assert!(position == position.clone() || position.progress.loss.is_nan());
            }
        }
        1 => drop(checkpoint::tensors(&Scratch::folder_with("checkpoint", "training.safetensors", bytes))),
        2 => {
            let folder = Scratch::folder_with("checkpoint", "card.json", CARD);
            Scratch::folder_with("checkpoint", "model.safetensors", bytes);
            drop(checkpoint::model(&folder, &Device::Cpu));
        }
        _ => drop(import::read(&Scratch::file("module", bytes))),
    }
});
