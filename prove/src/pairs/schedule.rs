//! Which interleaving comes next. Depth first with dynamic partial-order reduction: a choice is taken the
//! other way only where two steps met that can see or stop each other, and sleep sets leave out what would
//! only swap steps that cannot.

use super::explore::Mode;
use super::footprint::Footprint;

/// A choice and what is known of it.
#[derive(Clone, Debug)]
struct Node {
    held: [Option<Footprint>; 2],
    chosen: usize,
    todo: [bool; 2],
    done: [bool; 2],
    asleep: [bool; 2],
    /// Whose waiting step came through right after it.
    freed: [bool; 2],
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    Go(usize),
    /// Whatever follows was seen with the steps swapped.
    Redundant,
}

/// All interleavings of one pair, as far as they are known.
#[derive(Debug)]
pub(super) struct Tree {
    mode: Mode,
    nodes: Vec<Node>,
    fixed: Vec<usize>,
    /// Times that a repeated prefix did not go as before.
    pub(super) diverged: usize,
}

impl Tree {
    pub(super) fn new(mode: Mode) -> Self {
        Self {
            mode,
            nodes: Vec::new(),
            fixed: Vec::new(),
            diverged: 0,
        }
    }

    /// One interleaving by its letters; where they end, one session after the other.
    pub(super) fn fixed(letters: &str) -> Self {
        let fixed = letters.chars().map(|c| usize::from(c == 'B')).collect();
        Self {
            fixed,
            ..Self::new(Mode::Every)
        }
    }

    pub(super) fn choose(
        &mut self,
        depth: usize,
        held: [Option<Footprint>; 2],
        open: [bool; 2],
    ) -> Choice {
        if let Some(node) = self.nodes.get(depth) {
            if held[node.chosen].is_some() {
                return Choice::Go(node.chosen);
            }
            self.diverged += 1;
            self.nodes.truncate(depth);
        }
        let may = |who: usize| {
            held[who].is_some() && (self.mode != Mode::Atomic || open[who] || !open[1 - who])
        };
        let before = self.nodes.last();
        let mut asleep = [false; 2];
        if let Some(node) = before.filter(|n| self.mode == Mode::Reduced && n.freed == [false; 2]) {
            let who = 1 - node.chosen;
            if let (Some(step), Some(ran)) = (&node.held[who], &node.held[node.chosen]) {
                asleep[who] = (node.asleep[who] || node.done[who]) && !step.meets(ran);
            }
        }
        let first = before.map_or(0, |n| n.chosen);
        let first = self.fixed.get(depth).copied().unwrap_or(first);
        let Some(chosen) = [first, 1 - first]
            .into_iter()
            .find(|who| may(*who) && !asleep[*who])
        else {
            return Choice::Redundant;
        };
        let todo = match self.mode {
            Mode::Reduced => [false; 2],
            Mode::Every | Mode::Atomic => [may(0), may(1)],
        };
        let mut done = [false; 2];
        done[chosen] = true;
        self.nodes.push(Node {
            held,
            chosen,
            todo,
            done,
            asleep,
            freed: [false; 2],
        });
        Choice::Go(chosen)
    }

    /// A step that waited came through after the step at this depth.
    pub(super) fn freed(&mut self, depth: usize, who: usize) {
        if let Some(node) = self.nodes.get_mut(depth) {
            node.freed[who] = true;
        }
    }

    /// The step at this depth failed and let go of what its transaction held.
    pub(super) fn failed(&mut self, depth: usize, held: &Footprint) {
        if let Some(node) = self.nodes.get_mut(depth)
            && let Some(step) = &mut node.held[node.chosen]
        {
            step.publishes.extend(held.locks.iter().cloned());
        }
    }

    /// Prepares the next interleaving; false when there is none.
    pub(super) fn advance(&mut self) -> bool {
        if self.mode == Mode::Reduced {
            self.find_races();
        }
        while let Some(node) = self.nodes.last_mut() {
            let next = (0..2).find(|who| {
                node.todo[*who]
                    && !node.done[*who]
                    && !node.asleep[*who]
                    && node.held[*who].is_some()
            });
            if let Some(who) = next {
                node.chosen = who;
                node.done[who] = true;
                node.freed = [false; 2];
                return true;
            }
            self.nodes.pop();
        }
        false
    }

    /// For each step, the last step of the other session that it meets and that nothing else puts before it:
    /// there the choice must be tried the other way.
    fn find_races(&mut self) {
        let mut behind = [0_usize; 2];
        for j in 0..self.nodes.len() {
            let who = self.nodes[j].chosen;
            let Some(step) = self.nodes[j].held[who].clone() else {
                continue;
            };
            let met = (0..j).rev().find(|i| {
                let node = &self.nodes[*i];
                node.chosen != who && node.held[1 - who].as_ref().is_some_and(|o| o.meets(&step))
            });
            if let Some(i) = met.filter(|i| i + 1 > behind[who]) {
                let node = &mut self.nodes[i];
                if node.held[who].is_some() {
                    node.todo[who] = true;
                } else {
                    node.todo = [true; 2];
                }
                behind[who] = i + 1;
            }
            for (behind, freed) in behind.iter_mut().zip(self.nodes[j].freed) {
                if freed {
                    *behind = (*behind).max(j + 1);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(lock: &str) -> Footprint {
        Footprint {
            locks: [lock.to_owned()].into(),
            ..Footprint::default()
        }
    }

    /// Runs two programs of steps that never wait; returns how many interleavings were tried whole.
    fn count(mode: Mode, a: &[&str], b: &[&str]) -> usize {
        let programs = [a, b];
        let mut tree = Tree::new(mode);
        let mut whole = 0;
        loop {
            let mut at = [0, 0];
            let mut depth = 0;
            let redundant = loop {
                let held = [0, 1].map(|who: usize| programs[who].get(at[who]).map(|l| step(l)));
                if held.iter().all(Option::is_none) {
                    break false;
                }
                match tree.choose(depth, held, [false; 2]) {
                    Choice::Go(who) => at[who] += 1,
                    Choice::Redundant => break true,
                }
                depth += 1;
            };
            whole += usize::from(!redundant);
            if !tree.advance() {
                return whole;
            }
        }
    }

    #[test]
    fn every_means_every() {
        assert_eq!(count(Mode::Every, &["x", "y", "z"], &["x", "y"]), 10);
    }

    #[test]
    fn what_cannot_meet_is_tried_in_one_order() {
        assert_eq!(count(Mode::Reduced, &["a", "b", "c"], &["d", "e"]), 1);
        assert_eq!(count(Mode::Reduced, &["a", "x", "b"], &["c", "x", "d"]), 2);
        // Where two of A meet two of B, the orders of these are what counts; one of them cannot be when they meet
        // crosswise.
        assert_eq!(count(Mode::Reduced, &["x", "a", "y"], &["x", "b", "y"]), 4);
        assert_eq!(count(Mode::Reduced, &["x", "y"], &["y", "x"]), 3);
    }
}
