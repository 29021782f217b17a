//! Codes of channels that no item is known for: many orders wait for few of them, so they are one task a channel.

use std::collections::{BTreeMap, BTreeSet};

use hikiate_sdk::text::quoted;
use serde::Serialize;

use super::commit::PlannedOrder;
use super::subjects::make_due;
use super::tasks::TaskLine;
use super::{Store, StoreError, Tx};
use crate::action::{Action, stored, suggestions};
use crate::suggest::nearest;

/// The kind of the orders' own tasks, and of the one that stands for them.
const KIND: &str = "unmapped_sku";
/// Codes that a task names.
const NAMED: usize = 10;
/// The advisory lock that plans share while they leave a code unmapped, until they commit.
const MAPPING: i64 = 0x68_6b_6d_61;

/// A code that no item is known for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UnmappedCode {
    /// The channel's account.
    pub channel: String,
    /// Its code.
    pub code: String,
    /// Orders that wait for it.
    pub orders: usize,
    /// The item whose code is most like it, where one is.
    pub near: Option<String>,
}

impl Store {
    /// Codes that orders wait for, those of most orders first.
    ///
    /// # Errors
    /// The database's.
    pub async fn unmapped_codes(&self) -> Result<Vec<UnmappedCode>, StoreError> {
        let tasks = sqlx::query_scalar!("SELECT actions FROM tasks WHERE kind = $1", KIND)
            .fetch_all(&self.pool)
            .await?;
        let items = self.item_names().await?;
        Ok(codes(tasks.into_iter().flat_map(stored), &items))
    }

    /// Makes orders due that wait for a code which an item has by now, also those that only reserve and so have no task of it. Returns how many. A plan that read before the item was there
    /// and has not committed is waited for: its task is seen then. One that comes later looks for the item itself.
    ///
    /// # Errors
    /// The database's.
    pub async fn wake_mapped(&self) -> Result<usize, StoreError> {
        self.retried("wake_mapped", || async {
            // By itself: held together with orders, it would wait for plans that wait for it.
            sqlx::query!(
                r#"SELECT pg_advisory_xact_lock($1) AS "locked?: ()""#,
                MAPPING
            )
            .fetch_one(&self.pool)
            .await?;
            let mut tx = self.pool.begin().await?;
            let orders = sqlx::query_scalar!(
                "SELECT id FROM subjects WHERE id IN (
                   SELECT t.subject_id FROM tasks t CROSS JOIN LATERAL jsonb_path_query(t.actions, '$.**.codes[*]') AS c (code)
                     JOIN items i ON i.code = c.code #>> '{}'
                   WHERE t.kind = $1
                   UNION
                   SELECT s.id FROM subjects s
                     CROSS JOIN LATERAL (SELECT f.body FROM facts f WHERE f.subject_id = s.id AND f.kind = 'order' ORDER BY f.id DESC LIMIT 1) f
                     CROSS JOIN LATERAL jsonb_path_query(f.body, '$.order.lines[*].sku') AS c (code)
                     JOIN items i ON i.code = c.code #>> '{}'
                   WHERE s.kind = 'order' AND s.status = 'unallocated' AND s.closed_at IS NULL AND s.blocked_by IN ('begin', 'left')
                     AND NOT EXISTS (SELECT FROM demands d WHERE d.subject_id = s.id AND d.item_id = i.id))
                 ORDER BY id FOR NO KEY UPDATE",
                KIND
            )
            .fetch_all(&mut *tx)
            .await?;
            if !orders.is_empty() {
                make_due(&mut tx, &orders).await?;
                tx.commit().await?;
            }
            Ok(orders.len())
        })
        .await
    }

    /// Makes those of these planned orders due again whose plan left a code unmapped that an item has by now: whoever brought it into
    /// being after the plan was loaded cannot see its task yet.
    pub(super) async fn wake_if_mapped(
        tx: &mut Tx<'_>,
        plans: &[PlannedOrder],
    ) -> Result<(), StoreError> {
        let mut wanted: BTreeMap<(i16, String), Vec<i64>> = BTreeMap::new();
        for planned in plans {
            let tasks = planned.plan.tasks.iter().filter(|task| task.kind == KIND);
            for action in tasks.flat_map(|task| &task.actions) {
                let Action::MapCodes { codes, .. } = action else {
                    continue;
                };
                for code in codes {
                    let orders = wanted.entry((planned.channel_id, code.clone()));
                    orders.or_default().push(planned.subject_id);
                }
            }
        }
        if wanted.is_empty() {
            return Ok(());
        }
        sqlx::query!(
            r#"SELECT pg_advisory_xact_lock_shared($1) AS "locked?: ()""#,
            MAPPING
        )
        .fetch_one(&mut **tx)
        .await?;
        // A statement of its own, so that it sees what was committed before the lock was granted.
        let codes: BTreeSet<(i16, String)> = wanted.keys().cloned().collect();
        let known = Self::items_of(tx, &codes).await?;
        let orders: BTreeSet<i64> = wanted
            .into_iter()
            .filter(|(code, _)| known.contains_key(code))
            .flat_map(|(_, orders)| orders)
            .collect();
        if orders.is_empty() {
            return Ok(());
        }
        make_due(tx, &orders.into_iter().collect::<Vec<_>>()).await
    }

    /// The tasks with those of unmapped codes joined.
    pub(super) async fn with_codes_joined(
        &self,
        tasks: Vec<TaskLine>,
    ) -> Result<Vec<TaskLine>, StoreError> {
        if !tasks.iter().any(|task| task.kind == KIND) {
            return Ok(tasks);
        }
        Ok(joined(tasks, &self.item_names().await?))
    }

    async fn item_names(&self) -> Result<Vec<String>, StoreError> {
        Ok(sqlx::query_scalar!("SELECT code FROM items ORDER BY code")
            .fetch_all(&self.pool)
            .await?)
    }
}

fn codes(actions: impl Iterator<Item = Action>, items: &[String]) -> Vec<UnmappedCode> {
    let mut orders: BTreeMap<(String, String), usize> = BTreeMap::new();
    for action in actions {
        let Action::MapCodes { channel, codes, .. } = action else {
            continue;
        };
        for code in codes {
            *orders.entry((channel.clone(), code)).or_default() += 1;
        }
    }
    let known = || items.iter().map(String::as_str);
    let mut found: Vec<UnmappedCode> = orders
        .into_iter()
        .map(|((channel, code), orders)| UnmappedCode {
            near: nearest(&code, known()).map(str::to_owned),
            channel,
            code,
            orders,
        })
        .collect();
    found.sort_by_key(|code| std::cmp::Reverse(code.orders));
    found
}

/// One task for all orders of a channel that wait for nothing but codes; a single order keeps its own, with near matches.
fn joined(tasks: Vec<TaskLine>, items: &[String]) -> Vec<TaskLine> {
    let channel_of = |task: &TaskLine| {
        let mut actions = task.actions.iter().map(|told| &told.action);
        actions.find_map(|action| match action {
            Action::MapCodes { channel, .. } if task.kind == KIND => Some(channel.clone()),
            _ => None,
        })
    };
    let mut of: BTreeMap<String, Vec<TaskLine>> = BTreeMap::new();
    let mut rest: Vec<TaskLine> = Vec::new();
    for task in tasks {
        match channel_of(&task) {
            Some(channel) => of.entry(channel).or_default().push(task),
            None => rest.push(task),
        }
    }
    for (channel, mut tasks) in of {
        let actions = || tasks.iter().flat_map(|task| &task.actions);
        let same_code = actions().any(|told| {
            matches!(
                told.action,
                Action::MapCodes {
                    same_code: true,
                    ..
                }
            )
        });
        let found = codes(actions().map(|told| told.action.clone()), items);
        if let [one] = tasks.as_mut_slice() {
            let near: Vec<String> = found.iter().filter_map(alike).collect();
            if !near.is_empty() {
                one.detail = format!("{}; alike: {}", one.detail, near.join(", "));
            }
            rest.append(&mut tasks);
            continue;
        }
        let Some(since) = tasks.iter().map(|task| task.since).min() else {
            continue;
        };
        let action = Action::MapCodes {
            channel: channel.clone(),
            codes: found.iter().map(|code| code.code.clone()).collect(),
            same_code,
        };
        rest.push(TaskLine {
            kind: KIND.to_owned(),
            detail: in_words(&channel, tasks.len(), &found, same_code),
            since,
            due_at: None,
            actions: suggestions(vec![action], &channel),
            subject: channel,
        });
    }
    rest.sort_by(|a, b| (a.since, &a.subject, &a.kind).cmp(&(b.since, &b.subject, &b.kind)));
    rest
}

fn in_words(channel: &str, orders: usize, found: &[UnmappedCode], same_code: bool) -> String {
    let named: Vec<String> = found
        .iter()
        .take(NAMED)
        .map(|code| {
            let near = code.near.as_ref();
            let near = near.map_or_else(String::new, |near| format!(", like {}", quoted(near)));
            format!(
                "{} ({}{near})",
                quoted(&code.code),
                orders_in_words(code.orders)
            )
        })
        .collect();
    let more = match found.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let codes = match found.len() {
        1 => "1 code".to_owned(),
        n => format!("{n} codes"),
    };
    let remedy = if same_code {
        "codes are the items' own: each is known once a warehouse reports its stock; correct a wrong one at the channel"
    } else {
        "add them to the mapping file"
    };
    format!(
        "{} of {channel} wait for {codes} that no item is known for: {}{more}; {remedy}",
        orders_in_words(orders),
        named.join(", ")
    )
}

fn orders_in_words(orders: usize) -> String {
    match orders {
        1 => "1 order".to_owned(),
        n => format!("{n} orders"),
    }
}

/// A code and the item it is like.
fn alike(code: &UnmappedCode) -> Option<String> {
    let near = code.near.as_ref()?;
    Some(format!("{} and item {}", quoted(&code.code), quoted(near)))
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};

    use super::*;

    fn task(kind: &str, subject: &str, codes: &[&str]) -> TaskLine {
        let action = Action::MapCodes {
            channel: "shop".to_owned(),
            codes: codes.iter().map(|code| (*code).to_owned()).collect(),
            same_code: false,
        };
        TaskLine {
            kind: kind.to_owned(),
            subject: subject.to_owned(),
            detail: "no item is known for it".to_owned(),
            since: DateTime::<Utc>::UNIX_EPOCH,
            due_at: None,
            actions: if codes.is_empty() {
                Vec::new()
            } else {
                suggestions(vec![action], subject)
            },
        }
    }

    fn items() -> Vec<String> {
        ["APPLE-BOX", "PEAR"].map(str::to_owned).to_vec()
    }

    #[test]
    fn orders_that_wait_for_codes_are_one_task_with_near_matches() {
        let told = joined(
            vec![
                task(KIND, "HK1", &["APLE-BOX"]),
                task("hold:manual", "HK2", &[]),
                task(KIND, "HK3", &["APLE-BOX", "4901234567894"]),
                task(KIND, "HK4", &[]),
            ],
            &items(),
        );
        let subjects: Vec<&str> = told.iter().map(|task| task.subject.as_str()).collect();
        assert_eq!(
            subjects,
            ["HK2", "HK4", "shop"],
            "a line without a code is its order's"
        );
        assert_eq!(
            told[2].detail,
            "2 orders of shop wait for 2 codes that no item is known for: \"APLE-BOX\" (2 orders, like \"APPLE-BOX\"), \"4901234567894\" (1 order); add them to the mapping file"
        );
        assert_eq!(told[2].actions[0].line, "hikiate item unmapped --csv FILE");
    }

    #[test]
    fn a_single_order_keeps_its_task_and_hears_what_its_code_is_like() {
        let told = joined(vec![task(KIND, "HK1", &["PEAAR"])], &items());
        assert_eq!((told.len(), told[0].subject.as_str()), (1, "HK1"));
        assert_eq!(
            told[0].detail,
            "no item is known for it; alike: \"PEAAR\" and item \"PEAR\""
        );
    }

    #[test]
    fn many_codes_are_counted_and_the_first_are_named() {
        let names: Vec<String> = (0..94).map(|n| format!("ZZ-{n:04}")).collect();
        let tasks = names
            .iter()
            .chain(&names)
            .take(187)
            .enumerate()
            .map(|(n, code)| task(KIND, &format!("HK{n}"), &[code.as_str()]));
        let told = joined(tasks.collect(), &items());
        assert_eq!(told.len(), 1);
        let detail = &told[0].detail;
        assert!(
            detail.starts_with("187 orders of shop wait for 94 codes"),
            "{detail}"
        );
        assert!(detail.contains(" and 84 more; "), "{detail}");
    }
}
