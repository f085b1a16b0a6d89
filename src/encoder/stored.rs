//! Weights as they are kept between the file and the kernels: f32, or the file's own 8-bit integers
//! with the scale of each row, which kernels of integers take as they are.

use std::collections::HashMap;
use std::sync::Arc;

use candle_core::{CpuStorage, DType, Device, Error, Result, Shape, Storage, Tensor};
use candle_nn::VarBuilder;
use candle_nn::var_builder::SimpleBackend;

/// Rows of 8-bit integers, each with a scale.
#[derive(Debug)]
pub struct Integers {
    shape: Vec<usize>,
    bytes: Vec<u8>,
    scales: Vec<f32>,
}

impl Integers {
    /// A tensor of `shape`, whose values are the signed `bytes` times the scale of their row;
    /// `None` where the numbers of bytes and scales do not fit the shape.
    pub fn new(shape: Vec<usize>, bytes: Vec<u8>, scales: Vec<f32>) -> Option<Self> {
        let rows = shape.first().copied().unwrap_or(0);
        let fits =
            bytes.len() == shape.iter().product::<usize>() && scales.len() == rows && rows > 0;
        fits.then_some(Self {
            shape,
            bytes,
            scales,
        })
    }

    /// Row `row` as signed bytes, and its scale.
    ///
    /// # Panics
    /// When there is no such row.
    pub fn row(&self, row: usize) -> Row<'_> {
        let width = self.bytes.len() / self.scales.len();
        Row::Integers(&self.bytes[row * width..][..width], self.scales[row])
    }

    fn to_tensor(&self, device: &Device) -> Result<Tensor> {
        let width = (self.bytes.len() / self.scales.len()).max(1);
        let mut values = vec![0.0; self.bytes.len()];
        for (row, to) in values.chunks_exact_mut(width).enumerate() {
            self.row(row).write(to);
        }
        Tensor::from_vec(values, self.shape.as_slice(), device)
    }
}

/// One row of a matrix.
#[derive(Clone, Copy)]
pub enum Row<'a> {
    /// As values.
    Floats(&'a [f32]),
    /// As signed bytes times a scale.
    Integers(&'a [u8], f32),
}

impl<'a> From<&'a [f32]> for Row<'a> {
    fn from(row: &'a [f32]) -> Self {
        Self::Floats(row)
    }
}

impl<'a> Row<'a> {
    /// Whether bf16 holds its values exactly, but for the scale of integers.
    pub fn fits_bf16(self) -> bool {
        match self {
            Self::Floats(row) => row.iter().all(|x| x.to_bits().trailing_zeros() >= 16),
            Self::Integers(..) => true,
        }
    }

    /// Its values: where they are, or written to `space`, which must be as long.
    ///
    /// # Panics
    /// When `space` has another length and is needed.
    pub fn values(self, space: &'a mut [f32]) -> &'a [f32] {
        match self {
            Self::Floats(row) => row,
            Self::Integers(..) => {
                self.write(space);
                space
            }
        }
    }

    /// Writes its values.
    ///
    /// # Panics
    /// When `to` has another length.
    pub fn write(self, to: &mut [f32]) {
        match self {
            Self::Floats(row) => to.copy_from_slice(row),
            Self::Integers(bytes, scale) => {
                assert_eq!(bytes.len(), to.len());
                for (to, byte) in to.iter_mut().zip(bytes) {
                    *to = f32::from(*byte as i8) * scale;
                }
            }
        }
    }
}

/// A tensor as it is kept.
#[derive(Clone, Debug)]
pub enum Stored {
    /// f32.
    Floats(Tensor),
    /// 8-bit integers, on the CPU.
    Integers(Arc<Integers>),
}

impl Stored {
    /// Its shape.
    pub fn shape(&self) -> &[usize] {
        match self {
            Self::Floats(tensor) => tensor.dims(),
            Self::Integers(integers) => &integers.shape,
        }
    }

    /// The tensor in f32 on `device`.
    ///
    /// # Errors
    /// When the device has no room.
    pub fn to_tensor(&self, device: &Device) -> Result<Tensor> {
        match self {
            Self::Floats(tensor) => tensor.to_device(device),
            Self::Integers(integers) => integers.to_tensor(device),
        }
    }

    /// Calls `f` with the rows of matrices of `width` columns.
    ///
    /// # Errors
    /// When one is not contiguous, not on the CPU or not that wide.
    pub fn with_rows<T>(
        matrices: &[&Self],
        width: usize,
        f: impl for<'a> FnOnce(&'a (dyn Fn(usize, usize) -> Row<'a> + Sync)) -> T,
    ) -> Result<T> {
        let mut guards = Vec::with_capacity(matrices.len());
        for matrix in matrices {
            if matrix.shape().last() != Some(&width) || width == 0 {
                candle_core::bail!("rows of {width} expected, not {:?}", matrix.shape());
            }
            guards.push(match matrix {
                Self::Floats(tensor) => Ok(tensor.storage_and_layout()),
                Self::Integers(integers) => Err(integers),
            });
        }
        let mut rows = Vec::with_capacity(matrices.len());
        for guard in &guards {
            rows.push(match guard {
                Ok((storage, layout)) => Ok(floats(storage, layout)?),
                Err(integers) => Err(&***integers),
            });
        }
        Ok(f(&|matrix, row| match rows[matrix] {
            Ok(values) => Row::Floats(&values[row * width..][..width]),
            Err(integers) => integers.row(row),
        }))
    }
}

impl From<Tensor> for Stored {
    fn from(tensor: Tensor) -> Self {
        Self::Floats(tensor)
    }
}

/// The values of a contiguous f32 tensor on the CPU.
///
/// # Errors
/// When it is something else.
pub fn floats<'a>(storage: &'a Storage, layout: &candle_core::Layout) -> Result<&'a [f32]> {
    let Storage::Cpu(CpuStorage::F32(data)) = storage else {
        candle_core::bail!("f32 weights on the CPU expected")
    };
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&data[start..end]),
        None => candle_core::bail!("contiguous weights expected"),
    }
}

/// All tensors of a network by name.
#[derive(Clone, Debug, Default)]
pub struct StoredWeights(Arc<HashMap<String, Stored>>);

impl StoredWeights {
    /// These tensors.
    pub fn new(tensors: HashMap<String, Stored>) -> Self {
        Self(Arc::new(tensors))
    }

    /// The tensor `name`, which has to have this shape.
    ///
    /// # Errors
    /// When there is none, or it has another shape.
    pub fn get(&self, shape: &[usize], name: &str) -> Result<Stored> {
        let stored = self.find(name)?;
        if stored.shape() != shape {
            return Err(Error::UnexpectedShape {
                msg: format!("shape mismatch for {name}"),
                expected: Shape::from(shape),
                got: Shape::from(stored.shape()),
            });
        }
        Ok(stored.clone())
    }

    /// The tensors in f32 on `device`, made of integers whenever one is asked for.
    pub fn in_f32(&self, device: &Device) -> VarBuilder<'static> {
        VarBuilder::from_backend(Box::new(self.clone()), DType::F32, device.clone())
    }

    fn find(&self, name: &str) -> Result<&Stored> {
        let path = || name.to_owned();
        self.0
            .get(name)
            .ok_or_else(|| Error::CannotFindTensor { path: path() })
    }
}

impl SimpleBackend for StoredWeights {
    fn get(
        &self,
        shape: Shape,
        name: &str,
        _: candle_nn::Init,
        dtype: DType,
        device: &Device,
    ) -> Result<Tensor> {
        let stored = self.get(shape.dims(), name)?;
        stored.to_tensor(device)?.to_dtype(dtype)
    }

    fn get_unchecked(&self, name: &str, dtype: DType, device: &Device) -> Result<Tensor> {
        self.find(name)?.to_tensor(device)?.to_dtype(dtype)
    }

    fn contains_tensor(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn integers() -> Stored {
        let bytes = vec![127, 0x80, 3, 0, 0xff, 1];
        let integers = Integers::new(vec![2, 3], bytes, vec![0.5, 2.0]).expect("fits");
        Stored::Integers(Arc::new(integers))
    }

    #[test]
    fn integers_are_their_bytes_times_the_scale() -> Result<()> {
        let stored = integers();
        let values: Vec<Vec<f32>> = stored.to_tensor(&Device::Cpu)?.to_vec2()?;
        assert_eq!(values, [[63.5, -64.0, 1.5], [0.0, -2.0, 2.0]]);
        let floats = Stored::from(stored.to_tensor(&Device::Cpu)?);
        Stored::with_rows(&[&stored, &floats], 3, |row| {
            for (r, values) in values.iter().enumerate() {
                for matrix in 0..2 {
                    assert_eq!(row(matrix, r).values(&mut [0.0; 3]), values);
                }
            }
        })?;
        assert!(Stored::with_rows(&[&stored], 2, |_| ()).is_err());
        Ok(())
    }

    #[test]
    fn numbers_that_do_not_fit_are_refused() {
        assert!(Integers::new(vec![2, 3], vec![0; 5], vec![1.0; 2]).is_none());
        assert!(Integers::new(vec![2, 3], vec![0; 6], vec![1.0; 3]).is_none());
        assert!(Integers::new(vec![0, 3], vec![], vec![]).is_none());
    }

    #[test]
    fn a_tensor_is_found_by_its_name_and_shape_alone() {
        let weights = StoredWeights::new(HashMap::from([("a.b".to_owned(), integers())]));
        let view = weights.in_f32(&Device::Cpu);
        assert!(view.pp("a").get((2, 3), "b").is_ok());
        assert!(view.pp("a").get((3, 2), "b").is_err());
        assert!(weights.get(&[2, 3], "b").is_err());
        assert!(view.contains_tensor("a.b") && !view.contains_tensor("b"));
    }
}
