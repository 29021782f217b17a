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
    Run,
    /// Check the configuration: every problem with file, line and key, or what it will do
    Check {
        /// Put placeholders where secrets are missing, to check a file away from them
        #[arg(long)]
        allow_missing_secrets: bool,
    },
    /// Bring the database's tables up to this version
    Migrate {
        /// Wait for a database that is away
        #[arg(long)]
        wait: bool,
    },
    /// Orders: list, look into, hold, release, cancel
    #[command(subcommand)]
    Order(OrderCommand),
    /// Everything that waits for an operator, oldest first
    Tasks,
    /// Goods that came back
    #[command(subcommand)]
    Return(ReturnCommand),
    /// Parcels that were shipped
    #[command(subcommand)]
    Parcel(ParcelCommand),
    /// Pause an account until it is resumed: nothing is sealed for it or sent to it, and it is read on
    Pause(Pause),
    /// Let a paused account go on: all of it, or with --reads only the reading
    Resume(Pause),
    /// Keep shipments from being sealed until the stop is lifted
    StopShipping(StopShipping),
    /// Batches of instructions: list, look into, seal now, give up
    #[command(subcommand)]
    Wave(WaveCommand),
    /// Batches of journals: list, give up
    #[command(subcommand)]
    Books(BooksCommand),
    /// Stock per item and warehouse
    #[command(subcommand)]
    Stock(StockCommand),
    /// Items and the codes that stand for them
    #[command(subcommand)]
    Item(ItemCommand),
    /// Money that came for orders
    #[command(subcommand)]
    Deposit(DepositCommand),
    /// Streams that are pulled
    #[command(subcommand)]
    Stream(StreamCommand),
    /// Calls to external systems that are queued or whose outcome is unknown
    #[command(subcommand)]
    Effect(EffectCommand),
    /// What acts on orders by itself: since when, and whether it has paused itself
    #[command(subcommand, alias = "rule")]
    Automation(AutomationCommand),
    /// Accounts as a whole
    #[command(subcommand)]
    Account(AccountCommand),
    /// Records that could not be read
    #[command(subcommand)]
    Quarantine(QuarantineCommand),
    /// Let hikiate act for a channel; before, its orders are only read, planned and reserved for
    Begin(Begin),
    /// Stop all calls for a channel until it is begun again
    Unbegin(Unbegin),
    /// Go on after the database was set back: a restored backup, a failover that lost commits
    Recover(Recover),
    /// Show the whole flow: simulated shops, warehouses, mails and books around the real daemon
    #[cfg(feature = "demo")]
    Demo(crate::demo::DemoArgs),
}

/// `order …`
#[derive(Debug, Subcommand)]
pub(crate) enum OrderCommand {
    /// Orders, newest first
    List {
        /// Of this channel account
        #[arg(long)]
        channel: Option<String>,
        /// In this status
        #[arg(long, value_parser = PossibleValuesParser::new(Status::ALL.map(Status::as_str)))]
        status: Option<String>,
        /// Blocked by this gate, or all that begin so: hold, hold:high-value, payment, stock
        #[arg(long, value_name = "GATE", value_parser = gate)]
        blocked_by: Option<String>,
        /// At the most so many
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..))]
        limit: i64,
    },
    /// One order: status, what blocks it, its facts in order; no names or addresses
    Show {
        /// HK number, the number that the customer knows, or account/external id
        order: String,
    },
    /// Why an order stands where it stands, and what comes next
    Explain {
        /// HK number, the number that the customer knows, or account/external id
        order: String,
    },
    /// What was charged, paid, taken, given back and recognised of an order: when and by whom
    Ledger {
        /// HK number, the number that the customer knows, or account/external id
        order: String,
    },
    /// Hold orders until they are released
    Hold(Decide),
    /// Let go of holds, or of another gate that a task names with --rule; send a refused batch again
    Release {
        #[command(flatten)]
        decide: Decide,
        /// One rule or gate; the holds that are open now when not given
        #[arg(long, value_parser = NonEmptyStringValueParser::new())]
        rule: Option<String>,
    },
    /// Cancel orders: stopped before they are instructed, asked back from the warehouse after
    Cancel {
        #[command(flatten)]
        decide: Decide,
        /// Only say what would be done, and what cannot be undone
        #[arg(long)]
        dry_run: bool,
    },
    /// Ask for single shipments back; their goods are held once they are stopped
    Recall {
        #[command(flatten)]
        on: OnShipments,
        /// Only say what would be done, and what cannot be undone
        #[arg(long)]
        dry_run: bool,
    },
    /// Write down what a warehouse said about a request to stop a shipment
    #[command(group(clap::ArgGroup::new("answer").required(true)))]
    Recalled {
        #[command(flatten)]
        on: OnShipments,
        /// It is stopped
        #[arg(long, group = "answer")]
        accepted: bool,
        /// It will be shipped all the same
        #[arg(long, group = "answer")]
        declined: bool,
        /// It was shipped already
        #[arg(long, group = "answer")]
        too_late: bool,
    },
    /// End orders: nothing more is instructed, stock is free, nobody is told
    End {
        #[command(flatten)]
        decide: Decide,
        /// Only say what would be done
        #[arg(long)]
        dry_run: bool,
    },
    /// Tell of a parcel that was shipped: of a sealed shipment, or of what no warehouse was told of an order
    Shipped(ShippedArgs),
    /// Give the tax rate of an amount whose rate the channel does not tell
    Tax {
        /// HK number, the number that the customer knows, or account/external id
        order: String,
        /// The channel's line, or the kind of an amount of the whole order: postage
        line: String,
        /// Per cent: 10, or 5.5
        #[arg(value_parser = rate)]
        rate: u32,
        /// Why; kept for ever, so no names or addresses
        #[arg(long, value_name = "TEXT", value_parser = not_blank)]
        reason: String,
    },
    /// Write another name of the receiver, one that the warehouse's layout takes; the channel's counts again once it changes, or with --channel
    SetName(SetName),
    /// Say what a refund is that only the payment provider knows of
    RefundIs {
        /// HK number, the number that the customer knows, or account/external id
        order: String,
        /// The provider's id of the refund
        refund: String,
        /// What it is
        #[arg(value_parser = PossibleValuesParser::new(["discount", "return", "mistake"]))]
        is: String,
        /// Why; kept for ever, so no names or addresses
        #[arg(long, value_name = "TEXT", value_parser = not_blank)]
        reason: String,
    },
    /// Tell the channel of shipments again
    Tell {
        #[command(flatten)]
        on: OnShipments,
    },
}

/// A decision on shipments.
#[derive(Debug, Args)]
pub(crate) struct OnShipments {
    /// Shipment references, HK…-S1
    #[arg(required = true, value_name = "REF")]
    pub(crate) references: Vec<String>,
    /// Why; kept for ever, so no names or addresses
    #[arg(long, value_name = "TEXT", value_parser = not_blank)]
    pub(crate) reason: String,
}

/// `order shipped`
#[derive(Debug, Args)]
pub(crate) struct ShippedArgs {
    /// A shipment's reference, HK…-S1; or an order: HK number, the number that the customer knows, or account/external id
    #[arg(value_name = "REF|ORDER")]
    pub(crate) what: String,
    /// The carrier's number
    #[arg(long, value_name = "N", value_parser = number)]
    pub(crate) tracking: String,
    /// The carrier
    #[arg(long, value_name = "NAME", value_parser = not_blank)]
    pub(crate) carrier: Option<String>,
    /// The warehouse it left, by our name [default: where its stock is reserved]
    #[arg(long, value_name = "WAREHOUSE")]
    pub(crate) from: Option<String>,
    /// When it left [default: now]
    #[arg(long, alias = "left-at", value_name = "TIME", value_parser = time)]
    pub(crate) shipped_at: Option<DateTime<Utc>>,
    /// What is inside, by the channel's code or line [default: all that is open]
    #[arg(long = "line", value_name = "CODE=QUANTITY", value_parser = code_and_quantity)]
    pub(crate) lines: Vec<(String, u32)>,
    /// The number is a parcel of another order too: both are in one box
    #[arg(long)]
    pub(crate) same_box: bool,
    /// Why it is typed; kept for ever, so no names or addresses
    #[arg(long, value_name = "TEXT", value_parser = not_blank)]
    pub(crate) reason: String,
    /// Only say what would be done
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// `return …`
#[derive(Debug, Subcommand)]
pub(crate) enum ReturnCommand {
    /// Goods of a shipment came back; stock follows the warehouse's count
    Received {
        /// The shipment's reference, HK…-S1
        #[arg(value_name = "REF")]
        reference: String,
        /// What came back, by the channel's code or line [default: all that was shipped]
        #[arg(long = "line", value_name = "CODE=QUANTITY", value_parser = code_and_quantity)]
        lines: Vec<(String, u32)>,
        /// Why; kept for ever, so no names or addresses
        #[arg(long, value_name = "TEXT", value_parser = not_blank)]
        reason: String,
    },
}

/// `parcel …`
#[derive(Debug, Subcommand)]
pub(crate) enum ParcelCommand {
    /// A parcel has another number than was told
    Correct {
        /// The shipment's reference, HK…-S1
        #[arg(value_name = "REF")]
        reference: String,
        /// The number as it was told; `-` for a parcel that was told without one
        #[arg(long, value_name = "OLD", value_parser = not_blank)]
        tracking: String,
        /// The right number
        #[arg(long, value_name = "NEW", value_parser = number)]
        to: String,
        /// The new number is a parcel of another order too: both are in one box
        #[arg(long)]
        same_box: bool,
        /// Why; kept for ever, so no names or addresses
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
    /// Only the reading of it
    #[arg(long)]
    pub(crate) reads: bool,
    /// Why; kept, so no names or addresses
    #[arg(long, value_name = "TEXT", value_parser = not_blank)]
    pub(crate) reason: String,
}

/// `stop-shipping`
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct StopShipping {
    #[command(subcommand)]
    pub(crate) command: Option<StopCommand>,
    /// Only shipments with this item, by any code it has
    #[arg(long, value_name = "CODE")]
    pub(crate) sku: Option<String>,
    /// Only orders of this channel account
    #[arg(long, value_name = "ACCOUNT")]
    pub(crate) channel: Option<String>,
    /// Only shipments from this warehouse
    #[arg(long, value_name = "NAME")]
    pub(crate) warehouse: Option<String>,
    /// Ask warehouses for those back that they have and did not ship
    #[arg(long)]
    pub(crate) recall: bool,
    /// Only say what would be stopped and asked back
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Why; kept, so no names or addresses
    #[arg(long, value_name = "TEXT", value_parser = not_blank, required = true)]
    pub(crate) reason: Option<String>,
}

/// `stop-shipping …`
#[derive(Debug, Subcommand)]
pub(crate) enum StopCommand {
    /// Stops that stand
    List,
    /// Lift stops: what they kept back goes with the next batch
    Lift {
        /// As `stop-shipping list` shows them
        #[arg(required = true, value_name = "ID")]
        ids: Vec<i64>,
        /// Why; kept, so no names or addresses
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
                | OrderCommand::End { dry_run: true, .. }
                | OrderCommand::Shipped(ShippedArgs { dry_run: true, .. }),
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
            | Self::Recover(Recover { dry_run: true, .. })
            | Self::Begin(Begin { dry_run: true, .. })
            | Self::Run
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
    /// Codes that orders wait for because no item is known for them, with the items they are most like
    Unmapped {
        /// Write them as rows of a mapping file to fill in; a file that is there stays as it is
        #[arg(long, value_name = "FILE")]
        csv: Option<PathBuf>,
    },
}

/// `order set-name`
#[derive(Args)]
pub(crate) struct SetName {
    /// HK number, the number that the customer knows, or account/external id
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
    /// Why; kept for ever, so no names or addresses
    #[arg(long, value_name = "TEXT", value_parser = not_blank)]
    pub(crate) reason: String,
    /// Only say what would be done
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
    /// HK numbers, the numbers that customers know, or account/external ids
    #[arg(required = true, value_name = "ORDER")]
    pub(crate) orders: Vec<String>,
    /// Why; kept for ever, so no names or addresses
    #[arg(long, value_name = "TEXT", value_parser = not_blank)]
    pub(crate) reason: String,
}

/// `wave …`
#[derive(Debug, Subcommand)]
pub(crate) enum WaveCommand {
    /// Waves that are open, missed or not yet done, with their cut-offs
    List {
        /// Those that are over, too
        #[arg(long)]
        all: bool,
        /// At the most so many
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..))]
        limit: i64,
    },
    /// One wave: its orders and what is in them, of an open one what would go now; no names or addresses
    Show {
        /// Its name or number, as `wave list` shows it
        wave: String,
        /// The file itself, with names and addresses blanked out
        #[arg(long)]
        preview: bool,
        /// With --preview: as it is; holds names and addresses
        #[arg(long, requires = "preview")]
        with_addresses: bool,
    },
    /// Seal now what is ready, without waiting for the cut-off
    Seal {
        /// A warehouse, or a wave's name or number
        #[arg(value_name = "WAREHOUSE|WAVE")]
        wave: String,
    },
    /// Give up a sealed wave that was not imported: its orders are held, and it is never sent again
    Abandon(Abandon),
}

/// `books …`
#[derive(Debug, Subcommand)]
pub(crate) enum BooksCommand {
    /// Journals that are open or not yet done
    List {
        /// Those that are over, too
        #[arg(long)]
        all: bool,
        /// At the most so many
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..))]
        limit: i64,
    },
    /// What shipped up to a day and is not booked, with amount and reason
    Day {
        /// YYYY-MM-DD, in the shop's zone [default: today]
        #[arg(value_name = "DATE")]
        date: Option<NaiveDate>,
    },
    /// Give up a journal that was not imported: its revenue goes into the next one
    Abandon(Abandon),
}

/// What is given up.
#[derive(Debug, Args)]
pub(crate) struct Abandon {
    /// Its name or number
    #[arg(value_name = "NAME|NUMBER")]
    pub(crate) batch: String,
    /// You have looked: the external system has not imported it and will not
    #[arg(long)]
    pub(crate) not_imported: bool,
    /// What was looked at; kept for ever, so no names or addresses
    #[arg(long, value_name = "TEXT", value_parser = not_blank)]
    pub(crate) reason: String,
}

/// `stock …`
#[derive(Debug, Subcommand)]
pub(crate) enum StockCommand {
    /// On hand, reserved, allocated and free
    Show {
        /// One item's code; all when not given
        item: Option<String>,
    },
    /// A stock list that was refused as too short is right: lists of that length count from the next one on
    BelieveList {
        /// The account, as the task `stock_list_short` names it
        account: String,
        /// The warehouse, where lists of several were refused
        #[arg(long, value_name = "NAME")]
        warehouse: Option<String>,
        /// Why; kept for ever, so no names or addresses
        #[arg(long, value_name = "TEXT", value_parser = not_blank)]
        reason: String,
    },
}

/// `deposit …`
#[derive(Debug, Subcommand)]
pub(crate) enum DepositCommand {
    /// Tell that money came, for an order or for nobody knows whom
    Add {
        /// HK number, the number that the customer knows, or account/external id; - while nobody knows which
        order: String,
        /// In the order's currency, as decimal text: 5400 or 50.46
        amount: String,
        /// The bank's reference; used once per channel account
        #[arg(long, value_parser = not_blank)]
        reference: String,
        /// The day it came, in the shop's zone [default: today]
        #[arg(long, value_name = "YYYY-MM-DD")]
        date: Option<NaiveDate>,
        #[command(flatten)]
        unmatched: UnmatchedArgs,
        /// Say what it would do, and change nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Deposits with the orders that they pay, the newest first
    List {
        /// Only those of which something is matched to no order
        #[arg(long)]
        unmatched: bool,
        /// Only those that pay this order
        #[arg(long)]
        order: Option<String>,
        /// At the most so many
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..))]
        limit: i64,
    },
    /// Have a deposit pay an order
    Match {
        /// Its HD number, its reference, or account/reference
        deposit: String,
        /// HK number, the number that the customer knows, or account/external id
        order: String,
        /// As much of it [default: all that is left]
        amount: Option<String>,
        /// Say what it would do, and change nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Take a deposit away from one order and have it pay another
    Move {
        /// Its HD number, its reference, or account/reference
        deposit: String,
        /// The order that it was matched to
        from: String,
        /// The order that it is for; - while nobody knows which
        to: String,
        /// As much of it [default: all that is matched to the first]
        amount: Option<String>,
        /// Say what it would do, and change nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// There was no such deposit: it pays no order any more, and its reference is not used again
    Void {
        /// Its HD number, its reference, or account/reference
        deposit: String,
        /// Why; kept for ever, so no names or addresses
        #[arg(long, value_name = "TEXT", value_parser = not_blank)]
        reason: String,
        /// Say what it would do, and change nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Add the deposits of a CSV file, all of them or none
    Import {
        /// date,amount,reference and, where wanted, order,currency; UTF-8 or CP932
        file: PathBuf,
        #[command(flatten)]
        unmatched: UnmatchedArgs,
        /// Say what it would do, and change nothing
        #[arg(long)]
        dry_run: bool,
    },
}

/// What is not known of a deposit without an order.
#[derive(Debug, Args)]
pub(crate) struct UnmatchedArgs {
    /// Its channel account, where there are several and no order says which
    #[arg(long, value_name = "ACCOUNT")]
    pub(crate) channel: Option<String>,
    /// Its currency, where no order says which [default: the shop's]
    #[arg(long, value_name = "ISO 4217")]
    pub(crate) currency: Option<String>,
}

/// `stream …`
#[derive(Debug, Subcommand)]
pub(crate) enum StreamCommand {
    /// Every stream with its last page, next page and failures
    List,
}

/// `effect …`
#[derive(Debug, Subcommand)]
pub(crate) enum EffectCommand {
    /// The queue, unknown outcomes first
    List {
        /// Only those whose outcome is unknown
        #[arg(long)]
        unresolved: bool,
        /// At the most so many
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..))]
        limit: i64,
    },
    /// Write down what was seen at the external system about an unknown outcome
    Resolve {
        /// As `effect list` shows it
        id: i64,
        /// What happened
        outcome: Resolution,
        /// What was looked at; kept for ever, so no names or addresses
        #[arg(long, value_name = "TEXT", value_parser = not_blank)]
        reason: String,
    },
}

/// What an operator saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Resolution {
    /// It happened
    Done,
    /// It did not happen
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
    /// Older orders to take over and plan as new
    #[arg(long, value_name = "ORDER", num_args = 1..)]
    pub(crate) adopt: Vec<String>,
    /// Older orders to leave to the system before
    #[arg(long, value_name = "ORDER", num_args = 1..)]
    pub(crate) leave: Vec<String>,
    /// Older orders to forget: nothing is reserved or done for them
    #[arg(long, value_name = "ORDER", num_args = 1..)]
    pub(crate) history: Vec<String>,
    /// Classes of older orders as CSV: written with --dry-run, read without
    #[arg(long, value_name = "FILE")]
    pub(crate) classes: Option<PathBuf>,
    /// Orders left to the system before give their stock back then
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) left_until: Option<DateTime<Utc>>,
    /// Only show what would be done with each open order
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Begin although orders of the last 7 days stay behind, or older ones become ours
    #[arg(long, conflicts_with = "dry_run")]
    pub(crate) yes: bool,
    /// Why; kept for ever, so no names or addresses
    #[arg(long, value_name = "TEXT", value_parser = not_blank, required_unless_present = "dry_run")]
    pub(crate) reason: Option<String>,
}

/// `unbegin`
#[derive(Debug, Args)]
pub(crate) struct Unbegin {
    /// The channel's account
    pub(crate) channel: String,
    /// Why; kept, so no names or addresses
    #[arg(long, value_name = "TEXT", value_parser = not_blank)]
    pub(crate) reason: String,
}

/// `recover`
#[derive(Debug, Args)]
pub(crate) struct Recover {
    /// What was done after this may be missing: the time of the backup, or earlier
    #[arg(long, value_name = "TIME", value_parser = time, required_unless_present_any = ["instructed", "books_cleared"], conflicts_with_all = ["instructed", "books_cleared"])]
    pub(crate) lost_since: Option<DateTime<Utc>>,
    /// A warehouse says that it has this shipment
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
    /// The lost window's journals were taken out of the books: book its revenue anew
    #[arg(long)]
    pub(crate) books_cleared: bool,
    /// Only say what would be done
    #[arg(long, conflicts_with = "yes")]
    pub(crate) dry_run: bool,
    /// Do it
    #[arg(long)]
    pub(crate) yes: bool,
    /// With --yes: lost commands that keep something back are typed again, but for those that are not wanted any more or
    /// whose orders are still to be read
    #[arg(long, requires = "yes", conflicts_with = "dry_run")]
    pub(crate) acts_typed: bool,
    /// Why; kept, so no names or addresses
    #[arg(long, value_name = "TEXT", value_parser = not_blank)]
    pub(crate) reason: String,
}

/// `rule …`
#[derive(Debug, Subcommand)]
pub(crate) enum AutomationCommand {
    /// Every rule, paused ones first, with how many orders wait for it
    List,
    /// Let a rule that has paused itself act again, on the orders that wait too
    Resume {
        /// As `automation list` shows it
        automation: String,
        /// The account it acts on
        account: String,
        /// Let so many effects through although their orders have no new input
        #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(i32).range(0..))]
        allow: i32,
    },
}

/// `account …`
#[derive(Debug, Subcommand)]
pub(crate) enum AccountCommand {
    /// The open orders that the account does not show any more are gone: hold each of them as vanished
    Believe {
        /// As the task `orders_absent` names it
        account: String,
        /// Why; kept for ever, so no names or addresses
        #[arg(long, value_name = "TEXT", value_parser = not_blank)]
        reason: String,
    },
}

/// `quarantine …`
#[derive(Debug, Subcommand)]
pub(crate) enum QuarantineCommand {
    /// Records that wait
    List,
    /// The reason and the bytes as they came; may hold names and addresses
    Show {
        /// As `quarantine list` shows it
        id: i64,
    },
    /// Have orders read again by their id, and other records from their stored bytes; the daemon does it
    Retry {
        /// As `quarantine list` shows them
        #[arg(required = true, value_name = "ID")]
        ids: Vec<i64>,
        /// And all records with the same cause
        #[arg(long)]
        all_alike: bool,
    },
    /// Take records out: nothing of them is needed, or it was done by hand
    Dismiss {
        /// As `quarantine list` shows them
        #[arg(required = true, value_name = "ID")]
        ids: Vec<i64>,
        /// And all records with the same cause
        #[arg(long)]
        all_alike: bool,
        /// Why; kept for ever, so no names or addresses
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
            Err("this is no number: type it when the carrier has given one".to_owned())
        }
        Err(why) => Err(format!("it {why}")),
    }
}

/// A gate or the beginning of one; what follows its colon is free.
fn gate(text: &str) -> Result<String, String> {
    let known = match text.split_once(':') {
        Some((word, _)) => GATES.contains(&word),
        None => !text.is_empty() && GATES.iter().any(|gate| gate.starts_with(text)),
    };
    if known {
        Ok(text.to_owned())
    } else {
        Err(format!("no such gate; there are {}", GATES.join(", ")))
    }
}

fn rate(text: &str) -> Result<u32, String> {
    crate::config::per_cent(text)
}

/// A name as a label shows it.
fn name_text(text: &str) -> Result<String, String> {
    let name = name_or_none(text)?;
    if name.is_empty() {
        return Err("write a name".to_owned());
    }
    Ok(name)
}

/// The same, or nothing.
fn name_or_none(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.chars().any(char::is_control) || text.chars().count() > 200 {
        return Err("write one line of at most 200 characters".to_owned());
    }
    Ok(text.to_owned())
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
}
