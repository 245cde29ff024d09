//! Sets of rten's operators.

/// A set of operators that models may use.
///
/// The linker leaves out the operators that no set names. [`rten::op_registry!`] writes a set down:
///
/// ```
/// use ort_rten::{Operators, rten};
///
/// struct Perceptron;
///
/// impl Operators for Perceptron {
///     fn registry() -> rten::OpRegistry {
///         rten::op_registry!(MatMul, Add, Relu)
///     }
/// }
///
/// let api = ort_rten::api_with_operators::<Perceptron>(); // for `ort::set_api`
/// ```
pub trait Operators: 'static {
    /// Makes the set; called once for every model that is opened.
    fn registry() -> rten::OpRegistry;
}

/// Every operator that rten has without further features.
#[derive(Debug, Clone, Copy)]
pub struct AllOperators;

impl Operators for AllOperators {
    fn registry() -> rten::OpRegistry {
        rten::OpRegistry::with_all_ops()
    }
}

/// The operators of recurrent networks over ids: a table look-up, LSTM layers, an output layer, and what shapes need.
#[derive(Debug, Clone, Copy)]
pub struct RecurrentOperators;

impl Operators for RecurrentOperators {
    fn registry() -> rten::OpRegistry {
        rten::op_registry!(
            Add, Cast, Concat, Flatten, Gather, Gemm, Identity, LSTM, MatMul, OneHot, Reshape, Shape, Slice, Split,
            Squeeze, Transpose, Unsqueeze
        )
    }
}
