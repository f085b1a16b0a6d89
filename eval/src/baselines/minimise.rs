//! L-BFGS for smooth functions (Nocedal & Wright 2006, algorithm 7.5), with a line search by
//! bisection that ends in the weak Wolfe conditions (Lewis & Overton 2013).

use std::collections::VecDeque;

/// Pairs of steps and gradient changes that are kept.
const HISTORY: usize = 10;
/// Halvings and doublings that a line search may take.
const SEARCH_STEPS: usize = 40;
const SUFFICIENT_DECREASE: f64 = 1e-4;
const CURVATURE: f64 = 0.9;

/// Where the search ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Minimum {
    /// The point.
    pub point: Vec<f64>,
    /// The value there.
    pub value: f64,
    /// Iterations taken.
    pub iterations: usize,
    /// Whether the largest slope is at most the tolerance.
    pub converged: bool,
}

/// Follows a function down from `start` until its largest slope is at most `tolerance` or
/// `iterations` are spent. `function` gives the value at a point and writes the gradient.
pub fn minimise(
    start: Vec<f64>,
    iterations: usize,
    tolerance: f64,
    mut function: impl FnMut(&[f64], &mut [f64]) -> f64,
) -> Minimum {
    let mut gradient = vec![0.0; start.len()];
    let value = function(&start, &mut gradient);
    let mut here = Place {
        point: start,
        gradient,
        value,
    };
    let mut history: VecDeque<Update> = VecDeque::with_capacity(HISTORY);
    let mut spent = 0;
    while largest(&here.gradient) > tolerance && spent < iterations {
        let direction = descent(&here.gradient, &history);
        let length = dot(&here.gradient, &here.gradient).sqrt();
        let first = if history.is_empty() {
            1.0 / length
        } else {
            1.0
        };
        let Some(next) = search(&here, &direction, first, &mut function) else {
            break;
        };
        let step = difference(&next.point, &here.point);
        let change = difference(&next.gradient, &here.gradient);
        let curvature = dot(&step, &change);
        if curvature > 0.0 {
            if history.len() == HISTORY {
                history.pop_front();
            }
            history.push_back(Update {
                step,
                change,
                curvature,
            });
        }
        here = next;
        spent += 1;
    }
    let converged = largest(&here.gradient) <= tolerance;
    Minimum {
        point: here.point,
        value: here.value,
        iterations: spent,
        converged,
    }
}

struct Update {
    step: Vec<f64>,
    change: Vec<f64>,
    curvature: f64,
}

struct Place {
    point: Vec<f64>,
    gradient: Vec<f64>,
    value: f64,
}

/// Minus the inverse Hessian, as far as the history knows it, times the gradient.
fn descent(gradient: &[f64], history: &VecDeque<Update>) -> Vec<f64> {
    let mut direction: Vec<f64> = gradient.iter().map(|slope| -slope).collect();
    let mut shares = Vec::with_capacity(history.len());
    for update in history.iter().rev() {
        let share = dot(&update.step, &direction) / update.curvature;
        add(&mut direction, -share, &update.change);
        shares.push(share);
    }
    if let Some(last) = history.back() {
        let scale = last.curvature / dot(&last.change, &last.change);
        for value in &mut direction {
            *value *= scale;
        }
    }
    for (update, share) in history.iter().zip(shares.into_iter().rev()) {
        let back = dot(&update.change, &direction) / update.curvature;
        add(&mut direction, share - back, &update.step);
    }
    direction
}

/// The next place along a direction; `None` when no step goes down.
fn search(
    here: &Place,
    direction: &[f64],
    first: f64,
    function: &mut impl FnMut(&[f64], &mut [f64]) -> f64,
) -> Option<Place> {
    let slope = dot(direction, &here.gradient);
    let (mut low, mut high, mut length) = (0.0, f64::INFINITY, first);
    let mut fallback = None;
    for _ in 0..SEARCH_STEPS {
        let mut point = here.point.clone();
        add(&mut point, length, direction);
        let mut gradient = vec![0.0; point.len()];
        let value = function(&point, &mut gradient);
        if value > here.value + SUFFICIENT_DECREASE * length * slope {
            high = length;
        } else {
            let flat_enough = dot(&gradient, direction) >= CURVATURE * slope;
            let place = Place {
                point,
                gradient,
                value,
            };
            if flat_enough {
                return Some(place);
            }
            low = length;
            fallback = Some(place);
        }
        length = if high.is_finite() {
            f64::midpoint(low, high)
        } else {
            2.0 * low
        };
    }
    fallback
}

fn dot(left: &[f64], right: &[f64]) -> f64 {
    left.iter()
        .zip(right)
        .map(|(left, right)| left * right)
        .sum()
}

fn difference(left: &[f64], right: &[f64]) -> Vec<f64> {
    left.iter()
        .zip(right)
        .map(|(left, right)| left - right)
        .collect()
}

fn add(sum: &mut [f64], factor: f64, values: &[f64]) {
    sum.iter_mut()
        .zip(values)
        .for_each(|(sum, value)| *sum += factor * value);
}

fn largest(gradient: &[f64]) -> f64 {
    gradient
        .iter()
        .fold(0.0, |largest: f64, slope| largest.max(slope.abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bottom_of_rosenbrocks_valley_is_found() {
        let minimum = minimise(vec![-1.2, 1.0], 200, 1e-8, |point, gradient| {
            let (x, y) = (point[0], point[1]);
            let (slope, bend) = (1.0 - x, y - x * x);
            gradient[0] = -2.0 * slope - 400.0 * x * bend;
            gradient[1] = 200.0 * bend;
            slope * slope + 100.0 * bend * bend
        });
        assert!(minimum.converged, "{minimum:?}");
        assert!(
            minimum.point.iter().all(|value| (value - 1.0).abs() < 1e-6),
            "{minimum:?}"
        );
    }

    #[test]
    fn iterations_are_a_limit() {
        let minimum = minimise(vec![5.0; 3], 0, 1e-8, |point, gradient| {
            gradient.copy_from_slice(point);
            dot(point, point) / 2.0
        });
        assert_eq!((minimum.iterations, minimum.converged), (0, false));
    }
}
