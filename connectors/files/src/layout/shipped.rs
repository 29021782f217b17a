//! The layouts that come with the program.

/// Name and text of each; `layout = "NAME"` takes one of these.
pub const SHIPPED: [(&str, &str); 3] = [
    (
        "japanese-3pl-cp932",
        include_str!("../../../../config/layouts/japanese-3pl-cp932.toml"),
    ),
    (
        "japanese-3pl-utf8",
        include_str!("../../../../config/layouts/japanese-3pl-utf8.toml"),
    ),
    (
        "hledger",
        include_str!("../../../../config/layouts/hledger.toml"),
    ),
];
