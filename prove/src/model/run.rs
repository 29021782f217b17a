//! One run: its commands from a seed, played, and made small when something is wrong.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::command::Command;
use super::rng::Rng;
use super::setting::Setting;
use super::violation::Violation;
use super::world::World;

/// Commands of a run at the most.
const LENGTH: u64 = 120;

/// A run as drawn.
#[derive(Clone, Debug)]
pub struct Run {
    /// The seed of all runs.
    pub seed: u64,
    /// Which run.
    pub number: u64,
    /// Policy and rules.
    pub(super) setting: Setting,
    /// What happens.
    pub(super) commands: Vec<Command>,
}

/// A run that went wrong.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Places in the run's commands that are needed to fail.
    pub keep: Vec<usize>,
    /// What is wrong in the small run.
    pub violation: Violation,
    /// Steps of the whole run up to the failure.
    pub steps: u64,
}

impl Run {
    /// Draws run `number` of a seed.
    #[must_use]
    pub fn random(seed: u64, number: u64) -> Self {
        let mut rng = Rng::of(seed, number);
        let setting = Setting::random(&mut rng);
        let length = 10 + rng.below(LENGTH);
        let mut commands = vec![Command::Place {
            shape: rng.next() as u32,
        }];
        commands
            .extend((0..length).map(|_| Command::random(&mut rng, setting.lazy, setting.people)));
        Self {
            seed,
            number,
            setting,
            commands,
        }
    }

    /// Plays some of the commands, then comes to rest. Counts steps in `steps`.
    ///
    /// # Errors
    /// The first violation; a panic of the product is one.
    pub fn play(&self, keep: &[usize], steps: &mut u64) -> Result<(), Violation> {
        let played = catch_unwind(AssertUnwindSafe(|| {
            let mut world = World::new(self.setting.clone());
            for at in keep {
                *steps += 1;
                world.step(&self.commands[*at])?;
            }
            world.rest().map(drop)
        }));
        played.unwrap_or_else(|_| Err(Violation::new("it panicked")))
    }

    /// Plays it all.
    ///
    /// # Errors
    /// The failure, made small.
    pub fn check(&self, steps: &mut u64) -> Result<(), Failure> {
        let all: Vec<usize> = (0..self.commands.len()).collect();
        let before = *steps;
        if self.play(&all, steps).is_ok() {
            return Ok(());
        }
        let played = *steps - before;
        let (keep, violation) = self.shrink(all);
        Err(Failure {
            keep,
            violation,
            steps: played,
        })
    }

    /// Leaves out chunks, then single commands, while it still fails.
    fn shrink(&self, mut keep: Vec<usize>) -> (Vec<usize>, Violation) {
        let fails = |keep: &[usize]| self.play(keep, &mut 0).err();
        let mut violation = fails(&keep).unwrap_or_else(|| Violation::new("it fails only once"));
        let mut chunk = keep.len().div_ceil(2);
        while chunk > 0 {
            let mut at = 0;
            let mut smaller = false;
            while at < keep.len() {
                let mut less = keep.clone();
                less.drain(at..(at + chunk).min(keep.len()));
                if let Some(found) = fails(&less) {
                    (keep, violation, smaller) = (less, found, true);
                } else {
                    at += chunk;
                }
            }
            if !smaller || chunk > 1 {
                chunk /= 2;
            }
        }
        (keep, violation)
    }

    /// The failure in words, with the command that plays it again.
    #[must_use]
    pub fn describe(&self, failure: &Failure) -> String {
        let mut text = format!("model: {}\n", failure.violation);
        let names: Vec<String> = failure.keep.iter().map(usize::to_string).collect();
        text += &format!(
            "  under {:?}, rules {}, versions {}, lazy {}, begun {}\n",
            self.setting.policy.allocation,
            self.setting.rules.0,
            self.setting.versions,
            self.setting.lazy,
            self.setting.begun
        );
        for at in &failure.keep {
            text += &format!("  {at:>4}  {:?}\n", self.commands[*at]);
        }
        text += &format!(
            "  replay: cargo run --profile proof -p hikiate-prove -- model --seed {} --run {} --keep {}\n",
            self.seed,
            self.number,
            names.join(",")
        );
        text
    }
}
