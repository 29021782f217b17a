//! What people at the shop do by hand, with the side effects that 2.21.2 was seen to have. Each act says whether the shop
//! took it; what it refuses changes nothing.

mod edits;
mod goods;
mod money;
mod status;

#[cfg(test)]
mod tests;
