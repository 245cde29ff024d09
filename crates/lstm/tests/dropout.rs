//! What dropout leaves out is the same in every implementation, and the gradients follow it.

use candle_core::{Device, Tensor};
use lstm::{CharLstm, Dropout, Implementation, Instructions, Outputs, Processor, State};
use model_card::{InputEncoding, ModelSize};

const BATCH: usize = 3;
const TIME: usize = 5;

fn network(input: InputEncoding, layers: usize) -> CharLstm {
    CharLstm::init(&ModelSize { vocabulary: 11, hidden: 9, layers, input }, 5, &Device::Cpu).unwrap()
}

/// The loss and the gradients of all variables.
fn results(network: &CharLstm, how: Implementation, outputs: Outputs, dropout: &Dropout) -> Vec<Vec<f32>> {
    let network = network.with_implementation(how);
    let ids = |salt: u32| (0..(BATCH * TIME) as u32).map(|index| (index * 7 + salt) % 11).collect::<Vec<_>>();
    let inputs = Tensor::from_vec(ids(1), (BATCH, TIME), &Device::Cpu).unwrap();
    let targets = match outputs {
        Outputs::All => Tensor::from_vec(ids(4), (BATCH, TIME), &Device::Cpu).unwrap(),
        Outputs::Last => Tensor::from_vec(ids(4)[..BATCH].to_vec(), BATCH, &Device::Cpu).unwrap(),
    };
    let state = State::zeros(network.size(), BATCH, &Device::Cpu).unwrap();
    let (loss, _) = network.loss_with_dropout(&inputs, &targets, Some(&state), outputs, dropout).unwrap();
    let gradients = loss.backward().unwrap();
    let variables = network.variables();
    let gradients = variables.iter().map(|variable| gradients.get(variable).unwrap());
    std::iter::once(&loss).chain(gradients).map(|tensor| tensor.flatten_all().unwrap().to_vec1().unwrap()).collect()
}

fn cases() -> Vec<(InputEncoding, usize, Outputs, Dropout)> {
    let every = Dropout { input: 0.3, between: 0.4, output: 0.5, recurrent: 0.2, variational: false, seed: 9 };
    let embedding = InputEncoding::Embedding { size: 6 };
    vec![
        (InputEncoding::OneHot, 1, Outputs::All, every),
        (InputEncoding::OneHot, 3, Outputs::All, Dropout { variational: true, ..every }),
        (embedding, 2, Outputs::All, every),
        (embedding, 2, Outputs::All, Dropout { variational: true, ..every }),
        (embedding, 2, Outputs::Last, every),
        (embedding, 2, Outputs::Last, Dropout { variational: true, ..every }),
        (embedding, 2, Outputs::All, Dropout { recurrent: 0.5, seed: 2, ..Dropout::default() }),
        (InputEncoding::TiedEmbedding, 2, Outputs::All, every),
        (InputEncoding::TiedEmbedding, 1, Outputs::Last, Dropout::default()),
    ]
}

#[test]
fn every_implementation_leaves_out_the_same() {
    for (input, layers, outputs, dropout) in cases() {
        let network = network(input, layers);
        let expected = results(&network, Implementation::Naive, outputs, &dropout);
        for instructions in Instructions::available() {
            let how = Implementation::Fused(Processor { instructions, threads: 2, ..Processor::detect() });
            let found = results(&network, how, outputs, &dropout);
            for (place, (found, expected)) in found.iter().zip(&expected).enumerate() {
                for (found, expected) in found.iter().zip(expected) {
                    assert!(
                        (found - expected).abs() < 2e-5,
                        "{input:?}, {layers} layers, {outputs:?}, {dropout:?}, {instructions:?}, result {place}: \
                         {found} should be {expected}"
                    );
                }
            }
        }
    }
}

#[test]
fn each_rate_and_the_seed_change_the_loss() {
    let network = network(InputEncoding::Embedding { size: 6 }, 2);
    let loss = |dropout: Dropout| results(&network, Implementation::Naive, Outputs::All, &dropout)[0][0];
    let nothing = loss(Dropout { seed: 4, ..Dropout::default() });
    assert_eq!(nothing.to_bits(), loss(Dropout::default()).to_bits());
    for dropout in [
        Dropout { input: 0.5, seed: 4, ..Dropout::default() },
        Dropout { between: 0.5, seed: 4, ..Dropout::default() },
        Dropout { output: 0.5, seed: 4, ..Dropout::default() },
        Dropout { recurrent: 0.5, seed: 4, ..Dropout::default() },
    ] {
        assert_ne!(nothing.to_bits(), loss(dropout).to_bits(), "{dropout:?}");
        assert_ne!(loss(dropout).to_bits(), loss(Dropout { seed: 5, ..dropout }).to_bits(), "{dropout:?}");
    }
}

#[test]
fn a_tied_embedding_is_the_output_weight() {
    let network = network(InputEncoding::TiedEmbedding, 1);
    assert_eq!(network.variables().len(), 3);
    let tensors = network.tensors().unwrap();
    let (input, output) = (&tensors["embedding.weight"], &tensors["output.weight"]);
    assert_eq!(input.to_vec2::<f32>().unwrap(), output.to_vec2::<f32>().unwrap());
    let again = CharLstm::load(tensors, network.size(), &Device::Cpu).unwrap();
    assert_eq!(again.variables().len(), 3);
}
