//! Addresses within OPENLOGI's limits. It cuts names silently, so nothing that it would cut is written.

use hikiate_sdk::{Error, ErrorClass, Party};

use crate::config::LongNames;
use crate::wire::Address;

/// Characters of a name, whatever their width.
const NAME: usize = 15;
/// Characters of a company.
const COMPANY: usize = 16;
/// Characters of one address line.
const LINE: usize = 64;
/// Width of both address lines without the city, in half-width characters.
const WIDTH: usize = 64;

/// An address as it is written. `of` names the party in refusals: `ship_to`, `sender`.
///
/// # Errors
/// `Rejected` naming the field, never with its text; the code says which part of an instruction it is.
pub(crate) fn address(party: &Party, of: &str, rule: LongNames) -> Result<Address, Error> {
    if party.country != "JP" {
        let why = "only addresses in Japan can be shipped to by this connector";
        return Err(refused("address", &format!("{of}.country"), why));
    }
    let postcode = postcode(&party.postal_code).ok_or_else(|| {
        let why = "is no Japanese postal code: three digits, a hyphen, four digits";
        refused("address", &format!("{of}.postal_code"), why)
    })?;
    if postcode.ends_with("0000") {
        let why = "ends in 0000, which stands for a whole city: OPENLOGI takes only the code of the district";
        return Err(refused("address", &format!("{of}.postal_code"), why));
    }
    let phone = match party.phone.trim() {
        "" => None,
        text => Some(phone(text).ok_or_else(|| {
            let why = "is no Japanese phone number: it begins with 0 and has 10 to 13 digits";
            refused("address", &format!("{of}.phone"), why)
        })?),
    };
    let names = names(party, of, rule)?;
    let address1 = format!("{}{}", party.city.trim(), party.address1.trim());
    if address1.is_empty() {
        return Err(refused("address", &format!("{of}.address1"), "is empty"));
    }
    let address2 = names.address2;
    if address1.chars().count() > LINE {
        let why = format!("has over {LINE} characters with the city");
        return Err(refused("address", &format!("{of}.address1"), &why));
    }
    if address2.chars().count() > LINE {
        let why = format!("has over {LINE} characters");
        return Err(refused("address", &format!("{of}.address2"), &why));
    }
    let both = width(party.address1.trim()) + width(&address2);
    if both > WIDTH {
        // What a rule moved there is the name's fault.
        let part = if names.moved { "name" } else { "address" };
        let why = format!(
            "and address2 together are {both} wide, and OPENLOGI prints {WIDTH}: 32 full-width characters or 64 half-width ones"
        );
        return Err(refused(part, &format!("{of}.address1"), &why));
    }
    Ok(Address {
        name: names.name,
        company: filled(names.company),
        postcode,
        prefecture: party.region.trim().to_owned(),
        address1,
        address2: filled(address2),
        phone,
    })
}

/// A name alone, where there is no address with it.
pub(crate) fn bare_name(party: &Party, of: &str) -> Result<String, Error> {
    let name = party.name.trim();
    within(name, NAME, &format!("{of}.name"))?;
    Ok(name.to_owned())
}

pub(crate) fn refused(part: &str, field: &str, why: &str) -> Error {
    Error::new(ErrorClass::Rejected, format!("{field} {why}")).with_code(part)
}

struct Names {
    name: String,
    company: String,
    address2: String,
    /// A part of them stands where it did not stand.
    moved: bool,
}

/// Who is written, by the account's rule for what is too long.
fn names(party: &Party, of: &str, rule: LongNames) -> Result<Names, Error> {
    let (mut name, mut company) = (party.name.trim(), party.company.trim());
    if name.is_empty() {
        (name, company) = (company, "");
    }
    if name.is_empty() {
        return Err(refused("name", &format!("{of}.name"), "is empty"));
    }
    let mut moved: Vec<&str> = Vec::new();
    if company.chars().count() > COMPANY && rule == LongNames::Address2 {
        moved.push(company);
        company = "";
    }
    within(company, COMPANY, &format!("{of}.company"))?;
    if name.chars().count() > NAME {
        let most = match rule {
            LongNames::Refuse => None,
            LongNames::Company => company.is_empty().then_some(COMPANY),
            LongNames::Address2 => Some(LINE),
        };
        let split = most.and_then(|most| split(name, most));
        match split {
            Some((head, tail)) if rule == LongNames::Company => (company, name) = (head, tail),
            Some((head, tail)) => {
                moved.push(head);
                name = tail;
            }
            None => within(name, NAME, &format!("{of}.name"))?,
        }
    }
    let mut lines = vec![party.address2.trim()];
    lines.extend(&moved);
    lines.retain(|line| !line.is_empty());
    Ok(Names {
        name: name.to_owned(),
        company: company.to_owned(),
        address2: lines.join(" "),
        moved: !moved.is_empty(),
    })
}

/// The words that come first, at most `most` characters, and a rest that fits a name: as few words as possible are moved, and
/// none is split.
fn split(name: &str, most: usize) -> Option<(&str, &str)> {
    let blanks = name.char_indices().filter(|(_, c)| c.is_whitespace());
    let mut splits = blanks.map(|(at, _)| {
        let (head, tail) = name.split_at(at);
        (head.trim(), tail.trim())
    });
    splits.find(|(head, tail)| {
        let (head, tail) = (head.chars().count(), tail.chars().count());
        (1..=most).contains(&head) && (1..=NAME).contains(&tail)
    })
}

fn within(text: &str, most: usize, field: &str) -> Result<(), Error> {
    let length = text.chars().count();
    if length <= most {
        return Ok(());
    }
    let why = format!(
        "has {length} characters, and OPENLOGI cuts it after {most}: enter a shorter one, or set long_names"
    );
    Err(refused("name", field, &why))
}

fn filled(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

/// In half-width characters.
fn width(text: &str) -> usize {
    let half = |c: char| c.is_ascii() || ('\u{FF61}'..='\u{FF9F}').contains(&c);
    text.chars().map(|c| if half(c) { 1 } else { 2 }).sum()
}

/// Digits in half width; `None` for what is neither a digit nor put between digits.
fn digits(text: &str) -> Option<String> {
    let mut digits = String::new();
    for c in text.chars() {
        match c {
            '0'..='9' => digits.push(c),
            '０'..='９' => digits.push(char::from_u32(u32::from(c) - 0xFEE0)?),
            '-' | '‐' | '‑' | '–' | '—' | '−' | 'ー' | '－' | '(' | ')' | '（' | '）' =>
                {}
            c if c.is_whitespace() => {}
            _ => return None,
        }
    }
    Some(digits)
}

fn postcode(text: &str) -> Option<String> {
    let digits = digits(text.trim().trim_start_matches('〒'))?;
    let (area, place) = digits.split_at_checked(3)?;
    (place.len() == 4).then(|| format!("{area}-{place}"))
}

/// The international form of a Japanese number becomes the domestic one.
fn phone(text: &str) -> Option<String> {
    let digits = match text.strip_prefix('+') {
        Some(rest) => format!(
            "0{}",
            digits(rest)?.strip_prefix("81")?.trim_start_matches('0')
        ),
        None => digits(text)?,
    };
    (digits.starts_with('0') && (10..=13).contains(&digits.len())).then_some(digits)
}
