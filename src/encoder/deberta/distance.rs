//! Distances between tokens, as rows of a table of embeddings.

use super::super::config::DistanceConfig;

/// The bucket of the distance `query - key`: near distances have one each, those from half of
/// `buckets` on share by their logarithm, so that `max_distance - 1` falls into the last but one.
/// The same as `make_log_bucket_position` of transformers, in f32 as there.
pub fn bucket(distance: i64, buckets: usize, max_distance: usize) -> i64 {
    let middle = (buckets / 2) as i64;
    let far = distance.abs();
    if far <= middle {
        return distance;
    }
    let (middle_f, far) = (middle as f32, far as f32);
    let whole = ((max_distance - 1) as f64 / middle as f64) as f32;
    let logarithm = (far / middle_f).ln() / whole.ln() * (middle_f - 1.0);
    (logarithm.ceil() as i64 + middle) * distance.signum()
}

/// For every pair of tokens of a sequence the row of their distance, `[tokens · tokens]`: of
/// query `i` to key `j`, or `turned`, of key `i` as seen from query `j`.
pub(super) fn table(tokens: usize, config: &DistanceConfig, turned: bool) -> Vec<u32> {
    let span = config.span() as i64;
    // Rows depend on the distance alone: one for each from -(tokens - 1) to tokens - 1.
    let last = tokens as i64 - 1;
    let rows: Vec<u32> = (-last..=last)
        .map(|distance| {
            let number = match config.position_buckets {
                Some(buckets) => bucket(distance, buckets, config.max_relative_positions),
                None => distance,
            };
            let number = if turned { -number } else { number };
            (number + span).clamp(0, 2 * span - 1) as u32
        })
        .collect();
    let mut table = Vec::with_capacity(tokens * tokens);
    for i in 0..tokens {
        // Distances i - j for j from 0 on fall from i.
        let from = i + tokens - 1;
        table.extend((0..tokens).map(|j| rows[from - j]));
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_distances_are_themselves_and_far_ones_share() {
        for near in -128..=128 {
            assert_eq!(bucket(near, 256, 512), near);
        }
        assert_eq!(bucket(129, 256, 512), 129);
        assert_eq!(bucket(511, 256, 512), 255);
        assert_eq!(bucket(-511, 256, 512), -255);
        let buckets: Vec<i64> = (0..512).map(|d| bucket(d, 256, 512)).collect();
        assert!(buckets.is_sorted());
        assert!((0..512).all(|d| bucket(-d, 256, 512) == -bucket(d, 256, 512)));
    }

    #[test]
    fn the_table_holds_the_distance_of_every_pair() {
        let config = DistanceConfig {
            position_buckets: None,
            max_relative_positions: 3,
            share_att_key: true,
            layer_norm: false,
        };
        let straight = table(5, &config, false);
        let turned = table(5, &config, true);
        for i in 0..5_i64 {
            for j in 0..5_i64 {
                let at = (i * 5 + j) as usize;
                assert_eq!(i64::from(straight[at]), (i - j + 3).clamp(0, 5));
                assert_eq!(i64::from(turned[at]), (j - i + 3).clamp(0, 5));
            }
        }
    }
}
