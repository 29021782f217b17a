//! What can be typed.

use std::path::PathBuf;

use chrono::{DateTime, NaiveDate, Utc};
use clap::builder::{NonEmptyStringValueParser, PossibleValuesParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use hikiate_sdk::Tracking;

use super::failure::CODES;
use crate::names::GATES;
use crate::plan::types::Status;

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "hikiate",
    version,
    about = "Headless OMS-WMS bridge: pull facts, plan, push effects",
    after_help = CODES,
    max_term_width = 100
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// The configuration
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "HIKIATE_CONFIG",
        default_value = "/etc/hikiate/hikiate.toml"
    )]
    pub(crate) config: PathBuf,
    /// JSON for programs: one array or object; times in UTC, amounts in minor units
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Who is acting, stored with every write [default: $SUDO_USER or $USER]
    #[arg(long, global = true, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) actor: Option<String>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the daemon until SIGTERM or SIGINT
    Run {
        /// Run it as root, which it needs for nothing and refuses otherwise
        #[arg(long)]
        as_root: bool,
    },
    /// Ask the running daemon whether it is ready, for the health check of a container
    Health {
        /// Only whether the process answers (`/healthz`): for whatever restarts one that does not.
        #[arg(long)]
        alive: bool,
    },
    /// Check the configuration: list every problem with file, line and key, or describe what it will do
    Check {
        /// Use placeholders for missing secrets, to check a file on a machine without them
        #[arg(long)]
        allow_missing_secrets: bool,
    },
    /// Migrate the database to this version
    Migrate {
        /// Wait until the database is available
        #[arg(long)]
        wait: bool,
    },
    /// Orders: list, inspect, hold, release, recall, cancel, end, refund, void, correct
    #[command(subcommand)]
    Order(OrderCommand),
    /// List everything that needs an operator (要対応), oldest first
    Tasks,
    /// Returned goods (返品)
    #[command(subcommand)]
    Return(ReturnCommand),
    /// Shipped parcels (個口)
    #[command(subcommand)]
    Parcel(ParcelCommand),
    /// Pause an account: seal nothing for it and send it nothing until it is resumed; fetching continues
    Pause(Pause),
    /// Resume a paused account, or with --reads only fetching from it
    Resume(Pause),
    /// Stop shipping: seal no matching shipment until the stop is lifted (出荷停止)
    StopShipping(StopShipping),
    /// Batches of shipping instructions: list, inspect, seal now, abandon
    #[command(subcommand)]
    Wave(WaveCommand),
    /// Journal batches (仕訳): list, inspect a day, abandon
    #[command(subcommand)]
    Books(BooksCommand),
    /// Stock per item and warehouse
    #[command(subcommand)]
    Stock(StockCommand),
    /// Items and SKU mapping (商品コード対応表)
    #[command(subcommand)]
    Item(ItemCommand),
    /// Deposits: incoming bank transfers (入金)
    #[command(subcommand)]
    Deposit(DepositCommand),
    /// Streams that hikiate fetches
    #[command(subcommand)]
    Stream(StreamCommand),
    /// Queued effects, and those with an unknown outcome (結果不明)
    #[command(subcommand)]
    Effect(EffectCommand),
    /// Automations (自動処理): since when they are active, and which have paused themselves
    #[command(subcommand, alias = "rule")]
    Automation(AutomationCommand),
    /// Accounts as a whole
    #[command(subcommand)]
    Account(AccountCommand),
    /// Quarantine (取込エラー): records that could not be decoded or stored
    #[command(subcommand)]
    Quarantine(QuarantineCommand),
    /// Names and addresses (個人情報): erase them before their time
    #[command(subcommand)]
    Personal(PersonalCommand),
    /// Let hikiate act for a channel; before, it only fetches, plans and reserves (稼働開始)
    Begin(Begin),
    /// Stop all calls for a channel until `begin` is run again
    Unbegin(Unbegin),
    /// Recover after the database lost recent commits: a restored backup or a failover with data loss (復旧)
    Recover(Recover),
    /// Run the demo: the real daemon with simulated shops, warehouses, mail server and books
    #[cfg(feature = "demo")]
    Demo(crate::demo::DemoArgs),
}

/// `order …`
#[derive(Debug, Subcommand)]
pub(crate) enum OrderCommand {
    /// List orders, newest first
    List {
        /// Only orders of this channel account
        #[arg(long)]
        channel: Option<String>,
        /// Only orders in this status
        #[arg(long, value_parser = PossibleValuesParser::new(Status::ALL.map(Status::as_str)))]
        status: Option<String>,
        /// Only orders with this blocker (停止要因), or blockers that begin so: hold, hold:high-value, payment, stock
        #[arg(long, value_name = "BLOCKER", value_parser = gate)]
        blocked_by: Option<String>,
        /// Maximum number of rows
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..))]
        limit: i64,
    },
    /// Show one order: status, blocker, and its facts in order; what external systems answered may name somebody
    Show {
        /// HK number, the customer's order number, or ACCOUNT/EXTERNAL-ID
        order: String,
    },
    /// Explain why an order has its status and what happens next
    Explain {
        /// HK number, the customer's order number, or ACCOUNT/EXTERNAL-ID
        order: String,
    },
    /// Show what was charged, paid, captured, refunded and recognised of an order: when and by whom
    Ledger {
        /// HK number, the customer's order number, or ACCOUNT/EXTERNAL-ID
        order: String,
    },
    /// Hold orders until they are released (保留)
    Hold(Decide),
    /// Release holds (保留解除) so that orders continue; resolve a task that names --rule; resend a rejected batch
    Release {
        #[command(flatten)]
        decide: Decide,
        /// One hold rule, or the name that a task gives [default: all holds that are open now]
        #[arg(long, value_parser = NonEmptyStringValueParser::new())]
        rule: Option<String>,
    },
    /// Cancel orders. After the shipping instruction, send the warehouse a cancellation request (出荷取消依頼)
    Cancel {
        #[command(flatten)]
        decide: Decide,
        /// Only show what would be done, and what cannot be undone
        #[arg(long)]
        dry_run: bool,
    },
    /// Refund an order: the account that captured gives the money back, once; what no account captured becomes a task
    Refund(RefundArgs),
    /// Void an order's payment: release what is authorised and not captured
    Void {
        /// HK number, the customer's order number, or ACCOUNT/EXTERNAL-ID
        order: String,
        /// Reason; stored for ever, so no names or addresses
        #[arg(long, value_name = "TEXT", value_parser = not_blank)]
        reason: String,
        /// Only show what would be done, and what cannot be undone
        #[arg(long)]
        dry_run: bool,
    },
    /// Send cancellation requests for single shipments; hold their goods once the warehouse accepts
    Recall {
        #[command(flatten)]
        on: OnShipments,
        /// Only show what would be done, and what cannot be undone
        #[arg(long)]
        dry_run: bool,
    },
    /// Record a warehouse's answer (取消回答) to a cancellation request
    #[command(group(clap::ArgGroup::new("answer").required(true)))]
    Recalled {
        #[command(flatten)]
        on: OnShipments,
        /// The warehouse will not ship it
        #[arg(long, group = "answer")]
        accepted: bool,
        /// The warehouse will ship it
        #[arg(long, group = "answer")]
        declined: bool,
        /// The warehouse has shipped it already
        #[arg(long, group = "answer")]
        too_late: bool,
    },
    /// End orders: instruct nothing more and free the stock; the channel and the warehouses are not notified
    End {
        #[command(flatten)]
        decide: Decide,
        /// Only show what would be done
        #[arg(long)]
        dry_run: bool,
    },
    /// Record a parcel that was shipped: of a sealed shipment, or of an order's units that were never instructed
    Shipped(ShippedArgs),
    /// Set the tax rate of an amount whose rate the channel does not report
    Tax {
        /// HK number, the customer's order number, or ACCOUNT/EXTERNAL-ID
        order: String,
        /// The channel's line, or the kind of an amount of the whole order: postage
        line: String,
        /// Percent: 10, or 5.5
        #[arg(value_parser = rate)]
        rate: u32,
        /// Reason; stored for ever, so no names or addresses
        #[arg(long, value_name = "TEXT", value_parser = not_blank)]
        reason: String,
    },
    /// Set the receiver's name for the label, one that the warehouse's layout can write; replaced when the channel's name changes, or with --channel
    SetName(SetName),
    /// State the meaning of a refund that only the payment provider reports
    RefundIs {
        /// HK number, the customer's order number, or ACCOUNT/EXTERNAL-ID
        order: String,
        /// The provider's id of the refund
        refund: String,
        /// What it is
        #[arg(value_parser = PossibleValuesParser::new(["discount", "return", "mistake"]))]
        is: String,
        /// Reason; stored for ever, so no names or addresses
        #[arg(long, value_name = "TEXT", value_parser = not_blank)]
        reason: String,
    },
    /// Send the shipping notice of shipments to the channel again
    Tell {
        #[command(flatten)]
        on: OnShipments,
    },
}

/// `order refund`
#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("what").required(true)))]
pub(crate) struct RefundArgs {
    /// HK number, the customer's order number, or ACCOUNT/EXTERNAL-ID
    pub(crate) order: String,
    /// In the order's currency, as decimal text: 5400 or 50.46
    #[arg(long, group = "what")]
    pub(crate) amount: Option<String>,
    /// Units of a line, by the channel's line or SKU; may be repeated
    #[arg(long, value_name = "LINE=QTY", group = "what", value_parser = line_units)]
    pub(crate) line: Vec<(String, u32)>,
    /// All that was captured or received and not refunded
    #[arg(long, group = "what")]
    pub(crate) all: bool,
    /// Name of this refund within the order; the same command with the same name refunds once [default: made of the rest of the command]
    #[arg(long, value_name = "NAME", value_parser = refund_name)]
    pub(crate) id: Option<String>,
    /// Reason; stored for ever, so no names or addresses
    #[arg(long, value_name = "TEXT", value_parser = not_blank)]
    pub(crate) reason: String,
    /// Only show what would be done, and what cannot be undone
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// A decision on shipments.
#[derive(Debug, Args)]
pub(crate) struct OnShipments {
    /// Shipment references, HK…-S1
    #[arg(required = true, value_name = "REF")]
    pub(crate) references: Vec<String>,
    /// Reason; stored for ever, so no names or addresses
    #[arg(long, value_name = "TEXT", value_parser = not_blank)]
    pub(crate) reason: String,
}

/// `order shipped`
#[derive(Debug, Args)]
pub(crate) struct ShippedArgs {
    /// A shipment's reference, HK…-S1, or an order: HK number, the customer's order number, or ACCOUNT/EXTERNAL-ID
    #[arg(value_name = "REF|ORDER")]
    pub(crate) what: String,
    /// The carrier's number
    #[arg(long, value_name = "N", value_parser = number)]
    pub(crate) tracking: String,
    /// The carrier
    #[arg(long, value_name = "NAME", value_parser = not_blank)]
    pub(crate) carrier: Option<String>,
    /// The warehouse that shipped it, by its name in the configuration [default: where its stock is reserved]
    #[arg(long, value_name = "WAREHOUSE")]
    pub(crate) from: Option<String>,
    /// When it shipped [default: now]
    #[arg(long, alias = "left-at", value_name = "TIME", value_parser = time)]
    pub(crate) shipped_at: Option<DateTime<Utc>>,
    /// Contents, by the channel's SKU or line [default: all remaining units]
    #[arg(long = "line", value_name = "CODE=QUANTITY", value_parser = code_and_quantity)]
    pub(crate) lines: Vec<(String, u32)>,
    /// The number is a parcel of another order too: both are in one box
    #[arg(long)]
    pub(crate) same_box: bool,
    /// Reason; stored for ever, so no names or addresses
    #[arg(long, value_name = "TEXT", value_parser = not_blank)]
    pub(crate) reason: String,
    /// Only show what would be done
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// `return …`
#[derive(Debug, Subcommand)]
pub(crate) enum ReturnCommand {
    /// Record returned goods of a shipment; stock follows the warehouse's next count
    Received {
        /// The shipment's reference, HK…-S1
        #[arg(value_name = "REF")]
        reference: String,
        /// Returned units, by the channel's SKU or line [default: all that was shipped]
        #[arg(long = "line", value_name = "CODE=QUANTITY", value_parser = code_and_quantity)]
        lines: Vec<(String, u32)>,
        /// Reason; stored for ever, so no names or addresses
        #[arg(long, value_name = "TEXT", value_parser = not_blank)]
        reason: String,
    },
}

/// `parcel …`
#[derive(Debug, Subcommand)]
pub(crate) enum ParcelCommand {
    /// Correct the tracking number of a parcel
    Correct {
        /// The shipment's reference, HK…-S1
        #[arg(value_name = "REF")]
        reference: String,
        /// The reported number; `-` for a parcel that was reported without one
        #[arg(long, value_name = "OLD", value_parser = not_blank)]
        tracking: String,
        /// The correct number
        #[arg(long, value_name = "NEW", value_parser = number)]
        to: String,
        /// The new number is a parcel of another order too: both are in one box
        #[arg(long)]
        same_box: bool,
        /// Reason; stored for ever, so no names or addresses
        #[arg(long, value_name = "TEXT", value_parser = not_blank)]
        reason: String,
    },
}

/// `pause` and `resume`
#[derive(Debug, Args)]
pub(crate) struct Pause {
    /// The account
    #[arg(required = true, value_name = "ACCOUNT")]
    pub(crate) accounts: Vec<String>,
    /// Only fetching from it
    #[arg(long)]
    pub(crate) reads: bool,
    /// Reason; stored, so no names or addresses
    #[arg(long, value_name = "TEXT", value_parser = not_blank)]
    pub(crate) reason: String,
}

/// `stop-shipping`
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct StopShipping {
    #[command(subcommand)]
    pub(crate) command: Option<StopCommand>,
    /// Only shipments with this item, by its code or any SKU
    #[arg(long, value_name = "CODE")]
    pub(crate) sku: Option<String>,
    /// Only orders of this channel account
    #[arg(long, value_name = "ACCOUNT")]
    pub(crate) channel: Option<String>,
    /// Only shipments from this warehouse
    #[arg(long, value_name = "NAME")]
    pub(crate) warehouse: Option<String>,
    /// Also send cancellation requests for matching shipments that warehouses have and did not ship
    #[arg(long)]
    pub(crate) recall: bool,
    /// Only show what would be stopped and cancelled
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Reason; stored, so no names or addresses
    #[arg(long, value_name = "TEXT", value_parser = not_blank, required = true)]
    pub(crate) reason: Option<String>,
}

/// `stop-shipping …`
#[derive(Debug, Subcommand)]
pub(crate) enum StopCommand {
    /// List active stops
    List,
    /// Lift stops; the shipments go with the next batch
    Lift {
        /// As `stop-shipping list` shows them
        #[arg(required = true, value_name = "ID")]
        ids: Vec<i64>,
        /// Reason; stored, so no names or addresses
        #[arg(long, value_name = "TEXT", value_parser = not_blank)]
        reason: String,
    },
}

impl Command {
    /// It changes what is stored, so that it is told beside the database too.
    pub(crate) fn writes(&self) -> bool {
        match self {
            Self::Order(
                OrderCommand::List { .. }
                | OrderCommand::Show { .. }
                | OrderCommand::Explain { .. }
                | OrderCommand::Ledger { .. }
                | OrderCommand::Cancel { dry_run: true, .. }
                | OrderCommand::Recall { dry_run: true, .. }
                | OrderCommand::Refund(RefundArgs { dry_run: true, .. })
                | OrderCommand::Void { dry_run: true, .. }
                | OrderCommand::End { dry_run: true, .. }
                | OrderCommand::Shipped(ShippedArgs { dry_run: true, .. })
                | OrderCommand::SetName(SetName { dry_run: true, .. }),
            )
            | Self::StopShipping(
                StopShipping {
                    command: Some(StopCommand::List),
                    ..
                }
                | StopShipping { dry_run: true, .. },
            )
            | Self::Effect(EffectCommand::List { .. })
            | Self::Automation(AutomationCommand::List)
            | Self::Quarantine(QuarantineCommand::List | QuarantineCommand::Show { .. })
            | Self::Personal(PersonalCommand::Erase { dry_run: true, .. })
            | Self::Recover(Recover { dry_run: true, .. })
            | Self::Begin(Begin { dry_run: true, .. })
            | Self::Run { .. }
            | Self::Health { .. }
            | Self::Check { .. }
            | Self::Migrate { .. }
            | Self::Tasks
            | Self::Wave(WaveCommand::List { .. } | WaveCommand::Show { .. })
            | Self::Books(BooksCommand::List { .. } | BooksCommand::Day { .. })
            | Self::Deposit(
                DepositCommand::List { .. }
                | DepositCommand::Add { dry_run: true, .. }
                | DepositCommand::Match { dry_run: true, .. }
                | DepositCommand::Move { dry_run: true, .. }
                | DepositCommand::Void { dry_run: true, .. }
                | DepositCommand::Import { dry_run: true, .. },
            )
            | Self::Stock(_)
            | Self::Item(_)
            | Self::Stream(_) => false,
            #[cfg(feature = "demo")]
            Self::Demo(_) => false,
            Self::Order(_)
            | Self::Wave(_)
            | Self::Books(_)
            | Self::Return(_)
            | Self::Parcel(_)
            | Self::Pause(_)
            | Self::Resume(_)
            | Self::StopShipping(_)
            | Self::Deposit(_)
            | Self::Effect(_)
            | Self::Automation(_)
            | Self::Quarantine(_)
            | Self::Personal(_)
            | Self::Begin(_)
            | Self::Unbegin(_)
            | Self::Account(_)
            | Self::Recover(_) => true,
        }
    }
}

/// `item …`
#[derive(Debug, Subcommand)]
pub(crate) enum ItemCommand {
    /// List SKUs without an item that orders wait for, with the most similar items
    Unmapped {
        /// Write them as rows of a SKU mapping file to fill in; an existing file is not changed
        #[arg(long, value_name = "FILE")]
        csv: Option<PathBuf>,
    },
}

/// `order set-name`
#[derive(Args)]
pub(crate) struct SetName {
    /// HK number, the customer's order number, or ACCOUNT/EXTERNAL-ID
    pub(crate) order: String,
    /// The whole name as the label is to show it, kept with the addresses only; the one that counts now when not given
    #[arg(long, value_name = "NAME", value_parser = name_text, required_unless_present_any = ["company", "channel"])]
    pub(crate) name: Option<String>,
    /// The company as the label is to show it, "" for none; the channel's when not given
    #[arg(long, value_name = "NAME", value_parser = name_or_none)]
    pub(crate) company: Option<String>,
    /// Back to the channel's name and company
    #[arg(long, conflicts_with_all = ["name", "company"])]
    pub(crate) channel: bool,
    /// Which address, where the order goes to several
    #[arg(long, value_name = "GROUP")]
    pub(crate) group: Option<String>,
    /// Reason; stored for ever, so no names or addresses
    #[arg(long, value_name = "TEXT", value_parser = not_blank)]
    pub(crate) reason: String,
    /// Only show what would be done
    #[arg(long)]
    pub(crate) dry_run: bool,
}

impl std::fmt::Debug for SetName {
    /// Never shows whom it is about.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SetName")
            .field("order", &self.order)
            .finish_non_exhaustive()
    }
}

/// A decision on orders.
#[derive(Debug, Args)]
pub(crate) struct Decide {
    /// HK numbers, the customers' order numbers, or ACCOUNT/EXTERNAL-ID
    #[arg(required = true, value_name = "ORDER")]
    pub(crate) orders: Vec<String>,
    /// Reason; stored for ever, so no names or addresses
    #[arg(long, value_name = "TEXT", value_parser = not_blank)]
    pub(crate) reason: String,
}

/// `wave …`
#[derive(Debug, Subcommand)]
pub(crate) enum WaveCommand {
    /// List waves that are open, missed or not yet delivered, with their cut-offs
    List {
        /// Include finished ones
        #[arg(long)]
        all: bool,
        /// Maximum number of rows
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..))]
        limit: i64,
    },
    /// Show one wave: its orders and their lines; for an open wave, what would be sealed now; no names or addresses
    Show {
        /// Its name or number, as `wave list` shows it
        wave: String,
        /// Show the file itself, with names and addresses masked
        #[arg(long)]
        preview: bool,
        /// With --preview: unmasked; contains names and addresses
        #[arg(long, requires = "preview")]
        with_addresses: bool,
    },
    /// Seal what is ready now, without waiting for the cut-off
    Seal {
        /// A warehouse, or a wave's name or number
        #[arg(value_name = "WAREHOUSE|WAVE")]
        wave: String,
    },
    /// Abandon a sealed wave that was not imported: its orders are held, and it is never sent again
    Abandon(Abandon),
}

/// `books …`
#[derive(Debug, Subcommand)]
pub(crate) enum BooksCommand {
    /// List journals that are open or not yet delivered
    List {
        /// Include finished ones
        #[arg(long)]
        all: bool,
        /// Maximum number of rows
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..))]
        limit: i64,
    },
    /// List what shipped up to a day and is not booked, with amount and reason
    Day {
        /// YYYY-MM-DD, in the shop's zone [default: today]
        #[arg(value_name = "DATE")]
        date: Option<NaiveDate>,
    },
    /// Abandon a journal that was not imported: its revenue goes into the next one
    Abandon(Abandon),
}

/// What is given up.
#[derive(Debug, Args)]
pub(crate) struct Abandon {
    /// Its name or number
    #[arg(value_name = "NAME|NUMBER")]
    pub(crate) batch: String,
    /// Confirm that you checked: the external system has not imported it and will not
    #[arg(long)]
    pub(crate) not_imported: bool,
    /// What you checked; stored for ever, so no names or addresses
    #[arg(long, value_name = "TEXT", value_parser = not_blank)]
    pub(crate) reason: String,
}

/// `stock …`
#[derive(Debug, Subcommand)]
pub(crate) enum StockCommand {
    /// Show units on hand, reserved, allocated and available
    Show {
        /// One item's code [default: all items]
        item: Option<String>,
    },
    /// Accept a stock list that was rejected as too short: lists of that length count from the next one on
    BelieveList {
        /// The account, as the task `stock_list_short` names it
        account: String,
        /// The warehouse, if lists of several were rejected
        #[arg(long, value_name = "NAME")]
        warehouse: Option<String>,
        /// Reason; stored for ever, so no names or addresses
        #[arg(long, value_name = "TEXT", value_parser = not_blank)]
        reason: String,
    },
}

/// `deposit …`
#[derive(Debug, Subcommand)]
pub(crate) enum DepositCommand {
    /// Record a deposit, for an order or not matched yet
    Add {
        /// HK number, the customer's order number, or ACCOUNT/EXTERNAL-ID; - if the order is not known yet
        order: String,
        /// In the order's currency, as decimal text: 5400 or 50.46
        amount: String,
        /// The bank's reference; used once per channel account
        #[arg(long, value_parser = not_blank)]
        reference: String,
        /// The day of the deposit, in the shop's time zone [default: today]
        #[arg(long, value_name = "YYYY-MM-DD")]
        date: Option<NaiveDate>,
        #[command(flatten)]
        unmatched: UnmatchedArgs,
        /// Only show what would be done
        #[arg(long)]
        dry_run: bool,
    },
    /// List deposits with the orders that they pay, newest first
    List {
        /// Only deposits that are not fully matched to orders
        #[arg(long)]
        unmatched: bool,
        /// Only deposits that pay this order
        #[arg(long)]
        order: Option<String>,
        /// Maximum number of rows
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..))]
        limit: i64,
    },
    /// Match a deposit to an order
    Match {
        /// Its HD number, its reference, or account/reference
        deposit: String,
        /// HK number, the customer's order number, or ACCOUNT/EXTERNAL-ID
        order: String,
        /// Amount [default: all that is not matched yet]
        amount: Option<String>,
        /// Only show what would be done
        #[arg(long)]
        dry_run: bool,
    },
    /// Move a deposit from one order to another
    Move {
        /// Its HD number, its reference, or account/reference
        deposit: String,
        /// The order that it is matched to now
        from: String,
        /// The order that it pays; - if that is not known yet
        to: String,
        /// Amount [default: all that is matched to the first order]
        amount: Option<String>,
        /// Only show what would be done
        #[arg(long)]
        dry_run: bool,
    },
    /// Void a deposit that does not exist: it pays no order any more, and its reference cannot be used again
    Void {
        /// Its HD number, its reference, or account/reference
        deposit: String,
        /// Reason; stored for ever, so no names or addresses
        #[arg(long, value_name = "TEXT", value_parser = not_blank)]
        reason: String,
        /// Only show what would be done
        #[arg(long)]
        dry_run: bool,
    },
    /// Import the deposits of a CSV file, all of them or none
    Import {
        /// Columns date,amount,reference and optionally order,currency; UTF-8 or CP932
        file: PathBuf,
        #[command(flatten)]
        unmatched: UnmatchedArgs,
        /// Only show what would be done
        #[arg(long)]
        dry_run: bool,
    },
}

/// What is not known of a deposit without an order.
#[derive(Debug, Args)]
pub(crate) struct UnmatchedArgs {
    /// Its channel account, if there are several and no order is given
    #[arg(long, value_name = "ACCOUNT")]
    pub(crate) channel: Option<String>,
    /// Its currency, if no order is given [default: the shop's]
    #[arg(long, value_name = "ISO 4217")]
    pub(crate) currency: Option<String>,
}

/// `stream …`
#[derive(Debug, Subcommand)]
pub(crate) enum StreamCommand {
    /// List every stream with its last page, next page and failures
    List,
}

/// `effect …`
#[derive(Debug, Subcommand)]
pub(crate) enum EffectCommand {
    /// List queued effects, unknown outcomes first
    List {
        /// Only effects with an unknown outcome
        #[arg(long)]
        unresolved: bool,
        /// Maximum number of rows
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..))]
        limit: i64,
    },
    /// Record whether a call with an unknown outcome took effect. Check the external system first
    Resolve {
        /// As `effect list` shows it
        id: i64,
        /// Whether the call took effect
        outcome: Resolution,
        /// What you checked; stored for ever, so no names or addresses
        #[arg(long, value_name = "TEXT", value_parser = not_blank)]
        reason: String,
    },
}

/// What an operator saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Resolution {
    /// The call took effect
    Done,
    /// The call did not take effect
    NotDone,
}

/// `begin`
#[derive(Debug, Args)]
pub(crate) struct Begin {
    /// The channel's account
    pub(crate) channel: String,
    /// Orders placed at or after this are ours
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) from: Option<DateTime<Utc>>,
    /// Older orders to adopt and plan as new
    #[arg(long, value_name = "ORDER", num_args = 1..)]
    pub(crate) adopt: Vec<String>,
    /// Older orders to leave to the previous system
    #[arg(long, value_name = "ORDER", num_args = 1..)]
    pub(crate) leave: Vec<String>,
    /// Older orders to ignore: nothing is reserved or done for them
    #[arg(long, value_name = "ORDER", num_args = 1..)]
    pub(crate) history: Vec<String>,
    /// CSV file with the classes of older orders: written with --dry-run, read without
    #[arg(long, value_name = "FILE")]
    pub(crate) classes: Option<PathBuf>,
    /// Time at which orders left to the previous system release their stock
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) left_until: Option<DateTime<Utc>>,
    /// Only show what would be done with each open order
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Confirm: orders of the last 7 days stay behind, or older ones become ours
    #[arg(long, conflicts_with = "dry_run")]
    pub(crate) yes: bool,
    /// Reason; stored for ever, so no names or addresses
    #[arg(long, value_name = "TEXT", value_parser = not_blank, required_unless_present = "dry_run")]
    pub(crate) reason: Option<String>,
}

/// `unbegin`
#[derive(Debug, Args)]
pub(crate) struct Unbegin {
    /// The channel's account
    pub(crate) channel: String,
    /// Reason; stored, so no names or addresses
    #[arg(long, value_name = "TEXT", value_parser = not_blank)]
    pub(crate) reason: String,
}

/// `recover`
#[derive(Debug, Args)]
pub(crate) struct Recover {
    /// Start of the data-loss window: the time of the backup, or earlier
    #[arg(long, value_name = "TIME", value_parser = time, required_unless_present_any = ["nothing_lost", "instructed", "books_cleared"], conflicts_with_all = ["nothing_lost", "instructed", "books_cleared"])]
    pub(crate) lost_since: Option<DateTime<Utc>>,
    /// State that the switch to this server lost no commit: a synchronous standby, a planned switchover, an upgrade
    #[arg(long, conflicts_with_all = ["instructed", "books_cleared", "acts_typed"])]
    pub(crate) nothing_lost: bool,
    /// Record that a warehouse has this shipment
    #[arg(
        long,
        value_name = "ACCOUNT/REFERENCE",
        conflicts_with = "books_cleared"
    )]
    pub(crate) instructed: Option<String>,
    /// With --instructed, once for each row of it in the warehouse's order: what it has; without, the shipment is
    /// the whole of its order
    #[arg(long = "line", value_name = "CODE=QUANTITY", value_parser = code_and_quantity, requires = "instructed")]
    pub(crate) lines: Vec<(String, u32)>,
    /// Confirm that the journals of the data-loss window were removed from the books: book its revenue again
    #[arg(long)]
    pub(crate) books_cleared: bool,
    /// Only show what would be done
    #[arg(long, conflicts_with = "yes")]
    pub(crate) dry_run: bool,
    /// Carry it out
    #[arg(long)]
    pub(crate) yes: bool,
    /// With --yes: confirm that lost commands that stop something were run again, except those that are no longer
    /// required or whose orders are not fetched yet
    #[arg(long, requires = "yes", conflicts_with = "dry_run")]
    pub(crate) acts_typed: bool,
    /// Reason; stored, so no names or addresses
    #[arg(long, value_name = "TEXT", value_parser = not_blank)]
    pub(crate) reason: String,
}

/// `rule …`
#[derive(Debug, Subcommand)]
pub(crate) enum AutomationCommand {
    /// List all automations, paused ones first, with the number of waiting orders
    List,
    /// Resume an automation that paused itself, also for the orders that wait
    Resume {
        /// As `automation list` shows it
        automation: String,
        /// The account it acts on
        account: String,
        /// Allow up to N effects for orders without new input; above N the automation pauses again
        #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(i32).range(0..))]
        allow: i32,
    },
}

/// `account …`
#[derive(Debug, Subcommand)]
pub(crate) enum AccountCommand {
    /// Accept that the open orders which the account no longer shows are gone: hold each of them as vanished
    Believe {
        /// As the task `orders_absent` names it
        account: String,
        /// Reason; stored for ever, so no names or addresses
        #[arg(long, value_name = "TEXT", value_parser = not_blank)]
        reason: String,
    },
}

/// `personal …`
#[derive(Debug, Subcommand)]
pub(crate) enum PersonalCommand {
    /// Erase names, addresses, raw bytes and quarantined records of ended orders at once, and say what is left where
    Erase {
        /// HK number, the customer's order number, ACCOUNT/EXTERNAL-ID, or a mail address: all orders of its buyer or receiver
        #[arg(required = true, value_name = "ORDER|ADDRESS", value_parser = not_blank)]
        of: Vec<String>,
        /// Only show what would be erased
        #[arg(long)]
        dry_run: bool,
    },
}

/// `quarantine …`
#[derive(Debug, Subcommand)]
pub(crate) enum QuarantineCommand {
    /// List records in quarantine
    List,
    /// Show the reason and the original bytes; may contain names and addresses
    Show {
        /// As `quarantine list` shows it
        id: i64,
    },
    /// Process records again: orders are refreshed by id, other records are decoded from their stored bytes; the daemon does it
    Retry {
        /// As `quarantine list` shows them
        #[arg(required = true, value_name = "ID")]
        ids: Vec<i64>,
        /// Also all records with the same cause
        #[arg(long)]
        all_alike: bool,
    },
    /// Dismiss records that are not needed or were handled manually
    Dismiss {
        /// As `quarantine list` shows them
        #[arg(required = true, value_name = "ID")]
        ids: Vec<i64>,
        /// Also all records with the same cause
        #[arg(long)]
        all_alike: bool,
        /// Reason; stored for ever, so no names or addresses
        #[arg(long, value_name = "TEXT", value_parser = not_blank)]
        reason: String,
    },
}

fn time(text: &str) -> Result<DateTime<Utc>, String> {
    let parsed = DateTime::parse_from_rfc3339(text);
    parsed
        .map(|at| at.with_timezone(&Utc))
        .map_err(|_| "a time with its zone, like 2026-11-22T03:00:00+09:00".to_owned())
}

fn code_and_quantity(text: &str) -> Result<(String, u32), String> {
    let parts = text.rsplit_once('=');
    let parsed = parts.and_then(|(code, n)| Some((code.trim().to_owned(), n.parse().ok()?)));
    parsed
        .filter(|(code, quantity)| !code.is_empty() && *quantity > 0)
        .ok_or_else(|| "an item's code and how many, like SALT-YUZU=2".to_owned())
}

/// A carrier's number: it stands in keys and in calls.
fn number(text: &str) -> Result<String, String> {
    match Tracking::read(text) {
        Ok(Tracking::Number(number)) if number.contains(' ') => {
            Err("a carrier's number, without spaces".to_owned())
        }
        Ok(Tracking::Number(number)) => Ok(number),
        Ok(Tracking::Missing) => {
            Err("not a tracking number; run this once the carrier has issued one".to_owned())
        }
        Err(why) => Err(format!("it {why}")),
    }
}

/// A blocker or the beginning of one; the text after its colon is free.
fn gate(text: &str) -> Result<String, String> {
    let known = match text.split_once(':') {
        Some((word, _)) => GATES.contains(&word),
        None => !text.is_empty() && GATES.iter().any(|gate| gate.starts_with(text)),
    };
    if known {
        Ok(text.to_owned())
    } else {
        Err(format!("no such blocker; there are {}", GATES.join(", ")))
    }
}

fn rate(text: &str) -> Result<u32, String> {
    crate::config::per_cent(text)
}

/// A name as a label shows it.
fn name_text(text: &str) -> Result<String, String> {
    let name = name_or_none(text)?;
    if name.is_empty() {
        return Err("enter a name".to_owned());
    }
    Ok(name)
}

/// The same, or nothing.
fn name_or_none(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.chars().any(char::is_control) || text.chars().count() > 200 {
        return Err("enter one line of at most 200 characters".to_owned());
    }
    Ok(text.to_owned())
}

fn line_units(text: &str) -> Result<(String, u32), String> {
    let wrong = || format!("{text:?} is not LINE=QTY, as ordli_01=2");
    let (line, units) = text.rsplit_once('=').ok_or_else(wrong)?;
    let units: u32 = units.trim().parse().map_err(|_| wrong())?;
    if line.trim().is_empty() || units == 0 {
        return Err(wrong());
    }
    Ok((line.trim().to_owned(), units))
}

fn refund_name(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if !text.is_empty() && text.len() <= 40 && text.chars().all(plain) {
        Ok(text.to_owned())
    } else {
        Err("enter 1 to 40 letters, digits, -, _ or .".to_owned())
    }
}

fn not_blank(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() {
        Err("write something".to_owned())
    } else {
        Ok(text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_void_cannot_be_undone_and_needs_a_reason() {
        let mut words = vec!["hikiate", "order", "void", "1001"];
        assert!(Cli::try_parse_from(&words).is_err());
        words.extend(["--reason", "not wanted"]);
        assert!(Cli::try_parse_from(&words).is_ok());
    }

    /// Each command that has a dry run, with what else it needs.
    const DRY_RUNS: [&str; 16] = [
        "order cancel 1001 --reason x",
        "order refund 1001 --all --reason x",
        "order void 1001 --reason x",
        "order recall HK1-S1 --reason x",
        "order end 1001 --reason x",
        "order shipped 1001 --tracking 123456789012 --reason x",
        "order set-name 1001 --name Taro --reason x",
        "stop-shipping --reason x",
        "deposit add 1001 5400 --reference F1",
        "deposit match F1 1001",
        "deposit move F1 1001 1002",
        "deposit void F1 --reason x",
        "deposit import file.csv",
        "personal erase 1001",
        "begin shop",
        "recover --lost-since 2026-11-20T00:00:00Z --reason x",
    ];

    fn with_a_dry_run(command: &clap::Command, path: &str, found: &mut Vec<String>) {
        for below in command.get_subcommands() {
            let path = format!("{path} {}", below.get_name());
            if below.get_arguments().any(|arg| arg.get_id() == "dry_run") {
                found.push(path.trim().to_owned());
            }
            with_a_dry_run(below, &path, found);
        }
    }

    #[test]
    fn a_dry_run_of_any_command_writes_nothing() {
        for line in DRY_RUNS {
            let words = ["hikiate"].into_iter().chain(line.split(' '));
            let dry = Cli::try_parse_from(words.chain(["--dry-run"]));
            let dry = dry.unwrap_or_else(|error| unreachable!("{line}: {error}"));
            assert!(!dry.command.writes(), "{line}");
        }
        let mut found = Vec::new();
        with_a_dry_run(&Cli::command(), "", &mut found);
        for path in found {
            let listed = |line: &&str| line.starts_with(&format!("{path} "));
            // The demo keeps a database of its own.
            let listed = DRY_RUNS.iter().any(listed) || path.starts_with("demo");
            assert!(listed, "{path} has a dry run and no line here");
        }
    }
}
